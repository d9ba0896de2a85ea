/**
 * The face of TLS on main: files read and judged, ticket keys, ends of certificates.
 *
 * Path: config/ loads files through here, snapshot/ hands them to the core, gateway.ts composes.
 */

export { canonicalServerName } from './canonical-name.ts';
export { describeMaterialChanges, isSameMaterial } from './changes.ts';
export { daysLeft, ExpiryWatch } from './expiry.ts';
export {
  NO_TLS_MATERIAL,
  type OwnCertificate,
  TlsFiles,
  type TlsFinding,
  type TlsLoad,
  type TlsMaterial,
  type TlsNative,
} from './material.ts';
export { TicketRotation } from './rotation.ts';
export { TICKET_KEY_BYTES, TicketKeys } from './ticket-keys.ts';
