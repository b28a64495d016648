/** Locks a bill for a minute, so that nobody pays it elsewhere while notes are counted. */
final class Collect {
    public static void main(String[] none) throws Exception {
        Biller.Bill bill = Biller.findBill();
        String body = """
                {"seq":"%s","trace_date":"%s","query_token":"%s","bill_no":"%s","until":"%s","channel":"%s"}"""
                .formatted(
                        Biller.newSeq(),
                        Biller.today(),
                        bill.queryToken(),
                        bill.billNo(),
                        Biller.rfc3339(Biller.now().plusMinutes(1)),
                        Biller.CHANNEL);
        System.out.println(Biller.call("collect", body));
    }
}
