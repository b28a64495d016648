/** Says that the money was taken; the answer has the number of the voucher. */
final class Pay {
    public static void main(String[] none) throws Exception {
        Biller.Bill bill = Biller.findBill();
        String body = """
                {"seq":"%s","trace_date":"%s","bill_no":"%s","amount_fen":%d,"paid_at":"%s","channel":"%s"}"""
                .formatted(
                        Biller.newSeq(),
                        Biller.today(),
                        bill.billNo(),
                        bill.amountFen(),
                        Biller.rfc3339(Biller.now()),
                        Biller.CHANNEL);
        System.out.println(Biller.call("pay", body));
    }
}
