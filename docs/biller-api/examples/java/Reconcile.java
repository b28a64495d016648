import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.format.DateTimeFormatter;
import java.util.HexFormat;

/**
 * Sends the day file and fetches the result. The file lists one payment: what else was paid on
 * this day is SHORT in the result.
 */
final class Reconcile {
    public static void main(String[] none) throws Exception {
        Biller.Bill bill = Biller.findBill();
        String seq = Biller.newSeq();
        System.out.println(Biller.call("pay", Biller.payment(seq, bill)));

        String line = "%s|%s|%s|%s|%d|%s|P\n".formatted(
                Biller.today(),
                Biller.now().format(DateTimeFormatter.ofPattern("HH:mm:ss")),
                seq,
                bill.billNo(),
                bill.amountFen(),
                Biller.CHANNEL);
        byte[] hash = MessageDigest.getInstance("SHA-256").digest(line.getBytes(StandardCharsets.UTF_8));
        String head = "%s|%s|1|%d|%s\n".formatted(
                Biller.INST, Biller.today(), bill.amountFen(), HexFormat.of().formatHex(hash));
        System.out.println(Biller.call("reconcile", head + line, "text/plain; charset=utf-8"));
        System.out.print(Biller.call("reconcile", "{\"day\":\"" + Biller.today() + "\"}"));
    }
}
