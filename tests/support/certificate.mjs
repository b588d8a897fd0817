/**
 * A certificate for 127.0.0.1 that the Workers of this process trust. To be imported before anything
 * that imports Miniflare, which reads NODE_EXTRA_CA_CERTS once, when it is loaded.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** A key and a certificate that signs itself; undefined without the program `openssl`. */
export function makeCertificate() {
  const folder = mkdtempSync(path.join(tmpdir(), "edgememo-tls-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const [keyFile, file] = ["key.pem", "cert.pem"].map((name) => path.join(folder, name));
  const args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
  const subject = ["-subj", "/CN=edgememo test", "-addext", "subjectAltName=IP:127.0.0.1"];
  try {
    const out = ["-nodes", "-days", "2", "-keyout", keyFile, "-out", file];
    execFileSync("openssl", [...args, ...subject, ...out], { stdio: "pipe" });
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
  return { key: readFileSync(keyFile, "utf8"), cert: readFileSync(file, "utf8"), file };
}

export const trusted = makeCertificate();
if (trusted) process.env.NODE_EXTRA_CA_CERTS = trusted.file;

/** False when there is a certificate, else the reason to skip. */
export const whyNoCertificate = trusted ? false : "openssl was not found";
