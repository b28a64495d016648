/** A reverse overtakes its pay: the pay that comes late is refused. */
final class LateOriginal {
    public static void main(String[] none) throws Exception {
        Biller.Bill bill = Biller.findBill();
        String seq = Biller.newSeq();
        String reversal = """
                {"seq":"%s","trace_date":"%s","orig_seq":"%s","orig_date":"%s","amount_fen":%d,"reason":"TIMEOUT"}"""
                .formatted(Biller.newSeq(), Biller.today(), seq, Biller.today(), bill.amountFen());
        System.out.println(Biller.call("reverse", reversal));
        System.out.println(Biller.call("pay", Biller.payment(seq, bill)));
    }
}
