/** The same pay twice, as after a broken line: the same answer, and paid once. */
final class PayAgain {
    public static void main(String[] none) throws Exception {
        String body = Biller.payment(Biller.newSeq(), Biller.findBill());
        String first = Biller.call("pay", body);
        String again = Biller.call("pay", body);
        System.out.println(first);
        System.out.println(again);
        if (!first.equals(again)) {
            throw new IllegalStateException("two answers to one serial");
        }
    }
}
