import { Buffer } from 'node:buffer';
import { generateKeyPairSync, sign } from 'node:crypto';

/** A private key and its certificate as PEM. */
export interface Certificate {
  readonly key: string;
  /** Self-signed, so clients also trust it as `ca`. */
  readonly certificate: string;
}

/** Creates a self-signed certificate for 127.0.0.1, valid from one day ago until tomorrow (X.509 v3, RFC 5280; P-256). */
export function selfSigned(): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const name = sequence(der(SET, sequence(oid('550403'), der(UTF8_STRING, Buffer.from('hubline'))))); // commonName
  const subjectAlternativeName = sequence(oid('551d11'), der(OCTET_STRING, sequence(der(IP_ADDRESS, Buffer.of(127, 0, 0, 1)))));
  const body = sequence(
    der(EXPLICIT_0, der(INTEGER, Buffer.of(2))), // version 3
    der(INTEGER, Buffer.of(1)), // serial number
    ECDSA_WITH_SHA256,
    name, // issuer
    sequence(time(Date.now() - DAY_MS), time(Date.now() + DAY_MS)),
    name, // subject
    publicKey.export({ type: 'spki', format: 'der' }),
    der(EXPLICIT_3, sequence(subjectAlternativeName)),
  );
  const signature = der(BIT_STRING, Buffer.of(0), sign('sha256', body, privateKey));
  const text = sequence(body, ECDSA_WITH_SHA256, signature).toString('base64').replace(/.{64}/g, '$&\n');
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    certificate: `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`,
  };
}

const DAY_MS = 24 * 60 * 60 * 1000;

const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const OBJECT_IDENTIFIER = 0x06;
const UTF8_STRING = 0x0c;
const UTC_TIME = 0x17;
const SEQUENCE = 0x30;
const SET = 0x31;
const IP_ADDRESS = 0x87;
const EXPLICIT_0 = 0xa0;
const EXPLICIT_3 = 0xa3;

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size =
    length < 0x80 ? [length]
    : length < 0x100 ? [0x81, length]
    : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
}

function sequence(...parts: readonly Uint8Array[]): Buffer {
  return der(SEQUENCE, ...parts);
}

function oid(hex: string): Buffer {
  return der(OBJECT_IDENTIFIER, Buffer.from(hex, 'hex'));
}

/** `YYMMDDhhmmssZ` */
function time(atMs: number): Buffer {
  return der(
    UTC_TIME,
    Buffer.from(
      `${new Date(atMs)
        .toISOString()
        .replace(/\.\d+|\D/g, '')
        .slice(2)}Z`,
    ),
  );
}

const ECDSA_WITH_SHA256 = sequence(oid('2a8648ce3d040302'));
