/**
 * What the core says about TLS, for unit tests: certificates judged by node:crypto instead.
 *
 * Path: tests of src/main/tls and of reloads hand it to TlsFiles.
 * Invariant: one problem for each call, by domain and certificate, in sentences that begin as those
 * of the core do; facts only when there is none.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type {
  TlsCertificateFacts,
  TlsCertificateInput,
  TlsCheck,
  TlsConfigInput,
} from '../../../native/epoll/index.ts';
import type { TlsNative } from '../../../src/main/tls/index.ts';

function problem(domain: number, certificate: number, text: string): TlsCheck {
  return { problem: { domain, certificate, text }, certificates: [] };
}

function faultOf(pair: TlsCertificateInput, nowMs: number): string | null {
  const leaf = new X509Certificate(Buffer.from(pair.chain));
  let key: ReturnType<typeof createPrivateKey>;
  try {
    key = createPrivateKey(Buffer.from(pair.key));
  } catch {
    return "there is no private key in the key's text";
  }
  if (!leaf.checkPrivateKey(key)) return 'the key does not belong to the certificate';
  if (Date.parse(leaf.validTo) < nowMs) return 'the certificate expired on some day';
  return Date.parse(leaf.validFrom) > nowMs ? 'the certificate is not valid before some day' : null;
}

/** A core that has TLS, and counts how often it is asked. */
export class FakeTls implements TlsNative {
  checks = 0;
  /** What {@link TlsNative.tlsProblem} says. */
  problem = '';

  tlsProblem(): string {
    return this.problem;
  }

  checkTls(input: TlsConfigInput): TlsCheck {
    this.checks++;
    if (input.suites13.includes('NOPE')) return problem(0, -1, 'unknown cipher suite "NOPE"');
    if (input.groups.includes('NOPE'))
      return problem(0, -1, 'unknown key exchange group in "NOPE"');
    const certificates: TlsCertificateFacts[] = [];
    for (const [domain, each] of input.domains.entries()) {
      for (const [certificate, pair] of each.certificates.entries()) {
        const fault = faultOf(pair, Date.now());
        if (fault !== null) return problem(domain, certificate, fault);
        const leaf = new X509Certificate(Buffer.from(pair.chain));
        certificates.push({
          domain,
          certificate,
          notBefore: Date.parse(leaf.validFrom) / 1000,
          notAfter: Date.parse(leaf.validTo) / 1000,
          fingerprint: leaf.fingerprint256.replaceAll(':', '').toLowerCase(),
          subject: leaf.subject,
          keyKind: (leaf.publicKey.asymmetricKeyType ?? '').toUpperCase(),
        });
      }
      const isAsked = each.clientAuth !== 'off' || input.role === 'originating';
      const isUnsure = isAsked && !input.isPeerUnchecked;
      if (isUnsure && !Buffer.from(each.ca).includes('BEGIN CERTIFICATE')) {
        return problem(domain, -1, "there is no certificate in the CA's text");
      }
      if (isUnsure && each.crl.length > 0 && !Buffer.from(each.crl).includes('BEGIN X509 CRL')) {
        return problem(domain, -1, "there is no CRL in the CRL's text");
      }
    }
    return { problem: null, certificates };
  }
}
