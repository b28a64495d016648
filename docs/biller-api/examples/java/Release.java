/** Frees the lock of a collect. */
final class Release {
    public static void main(String[] none) throws Exception {
        Biller.Bill bill = Biller.findBill();
        System.out.println(Biller.call("collect", Biller.lock(bill)));
        String body = """
                {"seq":"%s","trace_date":"%s","bill_no":"%s","channel":"%s"}"""
                .formatted(Biller.newSeq(), Biller.today(), bill.billNo(), Biller.CHANNEL);
        System.out.println(Biller.call("release", body));
    }
}
