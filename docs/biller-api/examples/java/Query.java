/** What somebody owes. */
final class Query {
    public static void main(String[] none) throws Exception {
        System.out.println(Biller.call("query", Biller.question()));
    }
}
