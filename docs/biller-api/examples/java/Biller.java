import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.Signature;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.X509EncodedKeySpec;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.Base64;
import java.util.HexFormat;
import java.util.regex.Pattern;

/**
 * What the examples share: a signed call whose answer is proven. The JDK alone, from 17 on.
 * What to set stands in ../README.md.
 */
final class Biller {
    static final String URL = set("BILLER_URL", "http://127.0.0.1:8080");
    static final String INST = set("BILLER_INST", "BANK01");
    static final String KEY = set("BILLER_KEY", "k1.pem");
    static final String KEY_ID = set("BILLER_KEY_ID", "k1");
    static final String CHANNEL = set("BILLER_CHANNEL", "A7");
    static final String ID_NO = set("BILLER_ID_NO", "990101194501010012");
    static final String NAME = set("BILLER_NAME", "王建国");
    static final String REGION = set("BILLER_REGION", "990101");

    private static final String SCHEME = "BILLER1-RSA2048-SHA256";
    private static final ZoneOffset BEIJING = ZoneOffset.ofHours(8);
    private static final HttpClient HTTP =
            HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(30)).build();

    /** A bill, with the token that lists it. */
    record Bill(String queryToken, String billNo, long amountFen) {}

    private Biller() {}

    private static String set(String name, String otherwise) {
        return System.getenv().getOrDefault(name, otherwise);
    }

    /** Sends a signed call and proves the answer; gives its body. */
    static String call(String verb, String body) throws Exception {
        return call(verb, body, "application/json");
    }

    static String call(String verb, String body, String contentType) throws Exception {
        String path = "/biller/v1/" + verb;
        long timestamp = Instant.now().getEpochSecond();
        String nonce = random();
        byte[] ours = lines("POST", path, timestamp, nonce, body);
        String authorization = (SCHEME + " inst_id=\"%s\",key_id=\"%s\",timestamp=\"%d\""
                + ",nonce_str=\"%s\",signature=\"%s\"").formatted(INST, KEY_ID, timestamp, nonce, sign(ours));
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(URL + path))
                .timeout(Duration.ofSeconds(30))
                .header("Authorization", authorization)
                .header("Content-Type", contentType)
                .POST(HttpRequest.BodyPublishers.ofString(body));
        if (verb.equals("echo-signature")) {
            request.header("Biller-String-To-Sign", Base64.getEncoder().encodeToString(ours));
        }
        HttpResponse<String> answer = HTTP.send(
                request.build(), HttpResponse.BodyHandlers.ofString(StandardCharsets.UTF_8));
        prove(answer, path, nonce);
        if (answer.statusCode() != 200) {
            throw new IOException("not decided: HTTP " + answer.statusCode() + ": " + answer.body());
        }
        return answer.body();
    }

    /** What is signed: every part with a line break behind it. */
    private static byte[] lines(Object... parts) {
        StringBuilder text = new StringBuilder();
        for (Object part : parts) {
            text.append(part).append('\n');
        }
        return text.toString().getBytes(StandardCharsets.UTF_8);
    }

    private static String sign(byte[] ours) throws GeneralSecurityException, IOException {
        byte[] der = der(Files.readString(Path.of(KEY)));
        PrivateKey key = KeyFactory.getInstance("RSA").generatePrivate(new PKCS8EncodedKeySpec(der));
        Signature signature = Signature.getInstance("SHA256withRSA");
        signature.initSign(key);
        signature.update(ours);
        return Base64.getEncoder().encodeToString(signature.sign());
    }

    /** Throws unless the answer is the platform's, to this call, of now; else the outcome is unknown. */
    private static void prove(HttpResponse<String> answer, String path, String nonce) throws Exception {
        if (!header(answer, "Biller-Nonce").equals(nonce)) {
            throw new IOException("the answer is not to this call: HTTP " + answer.statusCode());
        }
        String timestamp = header(answer, "Biller-Timestamp");
        if (Math.abs(Instant.now().getEpochSecond() - Long.parseLong(timestamp)) > 300) {
            throw new IOException("the answer is old");
        }
        Signature signature = Signature.getInstance("SHA256withRSA");
        signature.initVerify(platformKey(header(answer, "Biller-Key-Id")));
        signature.update(lines(answer.statusCode(), path, timestamp, nonce, answer.body()));
        if (!signature.verify(Base64.getDecoder().decode(header(answer, "Biller-Signature")))) {
            throw new IOException("the signature of the answer is wrong");
        }
    }

    private static String header(HttpResponse<String> answer, String name) {
        return answer.headers().firstValue(name).orElse("");
    }

    /** The platform's public key. In earnest keep those that you were handed, instead of asking. */
    private static PublicKey platformKey(String keyId) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(URL + "/biller/v1/keys")).build();
        String known = HTTP.send(request, HttpResponse.BodyHandlers.ofString()).body();
        int at = Math.max(known.indexOf("\"key_id\":\"" + keyId + '"'), 0);
        byte[] der = der(field("public_key", known.substring(at)).replace("\\n", "\n"));
        return KeyFactory.getInstance("RSA").generatePublic(new X509EncodedKeySpec(der));
    }

    private static byte[] der(String pem) {
        return Base64.getMimeDecoder().decode(pem.replaceAll("-----[A-Z ]+-----", ""));
    }

    /** The first value of this name. Enough here; in earnest take a JSON parser, which the JDK has not. */
    static String field(String name, String json) {
        var found = Pattern.compile("\"" + name + "\":(?:\"([^\"]*)\"|([^,}]*))").matcher(json);
        if (!found.find()) {
            throw new IllegalArgumentException("no " + name + " in " + json);
        }
        return found.group(1) != null ? found.group(1) : found.group(2);
    }

    private static String random() {
        byte[] bytes = new byte[16];
        new SecureRandom().nextBytes(bytes);
        return HexFormat.of().formatHex(bytes);
    }

    /** A serial that was never used. */
    static String newSeq() {
        return today().format(DateTimeFormatter.BASIC_ISO_DATE) + "-" + random().substring(16);
    }

    static LocalDate today() {
        return now().toLocalDate();
    }

    static OffsetDateTime now() {
        return OffsetDateTime.now(BEIJING).truncatedTo(ChronoUnit.SECONDS);
    }

    /** A time as the contract writes it. */
    static String rfc3339(OffsetDateTime time) {
        return time.format(DateTimeFormatter.ISO_OFFSET_DATE_TIME);
    }

    /** Whom to ask for. */
    static String question() {
        return """
                {"pooling_region":"%s","id_type":"id_card","id_no":"%s","name":"%s","relation":"other","channel":"%s"}"""
                .formatted(REGION, ID_NO, NAME, CHANNEL);
    }

    /** The person's first bill. */
    static Bill findBill() throws Exception {
        String told = call("query", question());
        return new Bill(
                field("query_token", told), field("bill_no", told), Long.parseLong(field("amount_fen", told)));
    }

    /** The body of a pay of the whole bill, paid this moment. */
    static String payment(String seq, Bill bill) {
        return """
                {"seq":"%s","trace_date":"%s","bill_no":"%s","amount_fen":%d,"paid_at":"%s","channel":"%s"}"""
                .formatted(seq, today(), bill.billNo(), bill.amountFen(), rfc3339(now()), CHANNEL);
    }

    /** The body of a collect that locks the bill for a minute. */
    static String lock(Bill bill) {
        return """
                {"seq":"%s","trace_date":"%s","query_token":"%s","bill_no":"%s","until":"%s","channel":"%s"}"""
                .formatted(newSeq(), today(), bill.queryToken(), bill.billNo(), rfc3339(now().plusMinutes(1)), CHANNEL);
    }
}
