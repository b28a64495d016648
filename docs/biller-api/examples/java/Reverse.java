/** Undoes a pay of the same accounting day. */
final class Reverse {
    public static void main(String[] none) throws Exception {
        Biller.Bill bill = Biller.findBill();
        String seq = Biller.newSeq();
        System.out.println(Biller.call("pay", Biller.payment(seq, bill)));
        String reversal = """
                {"seq":"%s","trace_date":"%s","orig_seq":"%s","orig_date":"%s","amount_fen":%d,"reason":"CANCELLED"}"""
                .formatted(Biller.newSeq(), Biller.today(), seq, Biller.today(), bill.amountFen());
        System.out.println(Biller.call("reverse", reversal));
    }
}
