/** What became of a serial whose answer was not heard. */
final class Status {
    public static void main(String[] none) throws Exception {
        Biller.Bill bill = Biller.findBill();
        String seq = Biller.newSeq();
        System.out.println(Biller.call("pay", Biller.payment(seq, bill)));
        String question = """
                {"orig_seq":"%s","orig_date":"%s"}"""
                .formatted(seq, Biller.today());
        System.out.println(Biller.call("status", question));
    }
}
