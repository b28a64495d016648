/** Whether the signature is right, and if not, at which byte the strings part. */
final class EchoSignature {
    public static void main(String[] none) throws Exception {
        System.out.println(Biller.call("echo-signature", "{\"any\":\"body\"}"));
    }
}
