// TLS by Java's JSSE: handshake, echo of a mebibyte with key updates in it, half-close.
//
// Usage: java Client.java PORT CA VERSION. A limit of 64 KiB for each key makes JSSE ask for an
// update by itself; startHandshake() on an open TLS 1.3 connection asks for one more.
import java.io.FileInputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.security.KeyStore;
import java.security.Security;
import java.security.cert.CertificateFactory;
import java.util.Arrays;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

public class Client {
  public static void main(String[] args) throws Exception {
    Security.setProperty("jdk.tls.keyLimits", "AES/GCM/NoPadding KeyUpdate 2^16");
    KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
    trusted.load(null, null);
    try (InputStream file = new FileInputStream(args[1])) {
      trusted.setCertificateEntry(
          "ca", CertificateFactory.getInstance("X.509").generateCertificate(file));
    }
    TrustManagerFactory trust =
        TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(trusted);
    SSLContext tls = SSLContext.getInstance("TLS");
    tls.init(null, trust.getTrustManagers(), null);
    int port = Integer.parseInt(args[0]);
    SSLSocket socket = (SSLSocket) tls.getSocketFactory().createSocket("localhost", port);
    socket.setEnabledProtocols(new String[] {args[2]});
    socket.startHandshake();
    boolean is13 = args[2].equals("TLSv1.3");
    InputStream in = socket.getInputStream();
    OutputStream out = socket.getOutputStream();
    byte[] piece = new byte[16384];
    for (int i = 0; i < piece.length; i++) piece[i] = (byte) i;
    boolean echo = true;
    for (int round = 0; round < 64; round++) {
      out.write(piece);
      if (is13 && round == 32) socket.startHandshake();
      echo &= Arrays.equals(in.readNBytes(piece.length), piece);
    }
    out.write("last".getBytes());
    socket.shutdownOutput();
    String last = new String(in.readAllBytes());
    System.out.printf(
        "{\"handshake\":\"%s %s\",\"echo\":%b,\"halfClose\":%b,\"update\":%s}%n",
        socket.getSession().getProtocol(), socket.getSession().getCipherSuite(), echo,
        last.equals("last"), is13 ? "\"asked for, by limit and by hand\"" : "null");
  }
}
