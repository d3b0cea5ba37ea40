/**
 * The numbers of the Postgres protocol, by the names that Postgres gives them: message type bytes, start-up request codes,
 * transaction status bytes and limits. Plain constants, so that a `switch` over them costs nothing on the hot path.
 * Sources: src/include/libpq/protocol.h (types), src/include/libpq/pqcomm.h (codes, versions, limits), and the page
 * "Message Formats" of Postgres's manual. CopyData and CopyDone are the same byte in both directions.
 */

// Types of messages that clients send (protocol.h: PqMsg_…).
export const BIND = 0x42; // B
export const CLOSE = 0x43; // C
export const DESCRIBE = 0x44; // D
export const EXECUTE = 0x45; // E
export const FUNCTION_CALL = 0x46; // F
export const FLUSH = 0x48; // H
export const PARSE = 0x50; // P
export const QUERY = 0x51; // Q
export const SYNC = 0x53; // S
export const TERMINATE = 0x58; // X
export const COPY_FAIL = 0x66; // f
/** PasswordMessage, SASLInitialResponse, SASLResponse and GSSResponse. */
export const PASSWORD = 0x70; // p

// Types of messages that both sides send.
export const COPY_DONE = 0x63; // c
export const COPY_DATA = 0x64; // d

// Types of messages that servers send.
export const PARSE_COMPLETE = 0x31; // 1
export const BIND_COMPLETE = 0x32; // 2
export const CLOSE_COMPLETE = 0x33; // 3
export const NOTIFICATION_RESPONSE = 0x41; // A
export const COMMAND_COMPLETE = 0x43; // C
export const DATA_ROW = 0x44; // D
export const ERROR_RESPONSE = 0x45; // E
export const COPY_IN_RESPONSE = 0x47; // G
export const COPY_OUT_RESPONSE = 0x48; // H
export const EMPTY_QUERY_RESPONSE = 0x49; // I
export const BACKEND_KEY_DATA = 0x4b; // K
export const NOTICE_RESPONSE = 0x4e; // N
export const AUTHENTICATION = 0x52; // R
export const PARAMETER_STATUS = 0x53; // S
export const ROW_DESCRIPTION = 0x54; // T
export const FUNCTION_CALL_RESPONSE = 0x56; // V
export const COPY_BOTH_RESPONSE = 0x57; // W
export const READY_FOR_QUERY = 0x5a; // Z
export const NO_DATA = 0x6e; // n
export const PORTAL_SUSPENDED = 0x73; // s
export const PARAMETER_DESCRIPTION = 0x74; // t
export const NEGOTIATE_PROTOCOL_VERSION = 0x76; // v

// What an Authentication message asks for (protocol.h: AUTH_REQ_…).
export const AUTH_OK = 0;
export const AUTH_CLEARTEXT_PASSWORD = 3;
export const AUTH_MD5_PASSWORD = 5;
export const AUTH_SASL = 10;
export const AUTH_SASL_CONTINUE = 11;
export const AUTH_SASL_FINAL = 12;

// Transaction status, the body of ReadyForQuery (manual, "ReadyForQuery").
export const STATUS_IDLE = 0x49; // I
export const STATUS_TRANSACTION = 0x54; // T
export const STATUS_FAILED = 0x45; // E

// What Describe and Close are about: their first body byte.
export const TARGET_STATEMENT = 0x53; // S
export const TARGET_PORTAL = 0x50; // P

// The first 32 bits of a start-up packet's body (pqcomm.h: PG_PROTOCOL(major, minor) and the codes beside it).
export const PROTOCOL_3_0 = 196_608;
/** Since Postgres 18: cancel keys of 4 to 256 bytes. */
export const PROTOCOL_3_2 = 196_610;
export const CANCEL_REQUEST = 80_877_102;
export const SSL_REQUEST = 80_877_103;
export const GSSENC_REQUEST = 80_877_104;

/** Bytes of one start-up packet, its length included (pqcomm.h: MAX_STARTUP_PACKET_LENGTH). */
export const MAX_STARTUP_PACKET_BYTES = 10_000;
/** Bytes of a cancel key: exactly 4 in protocol 3.0, up to this in 3.2 (pqcomm.h: MAX_CANCEL_KEY_LENGTH). */
export const CANCEL_KEY_BYTES_3_0 = 4;
export const MAX_CANCEL_KEY_BYTES = 256;
/** Columns or parameters of one message: its count is 16 bits (manual, "DataRow", "Bind"). */
export const MAX_FIELDS = 65_535;

// Single bytes that answer SSLRequest and GSSENCRequest before the protocol proper (manual, "SSL Session Encryption").
export const ENCRYPTION_REFUSED = 0x4e; // N
export const SSL_ACCEPTED = 0x53; // S

// Field codes of ErrorResponse and NoticeResponse (manual, "Error and Notice Message Fields"; postgres_ext.h: PG_DIAG_…).
export const FIELD_SEVERITY = 0x53; // S
export const FIELD_SEVERITY_NONLOCALIZED = 0x56; // V
export const FIELD_SQLSTATE = 0x43; // C
export const FIELD_MESSAGE = 0x4d; // M
export const FIELD_DETAIL = 0x44; // D
export const FIELD_HINT = 0x48; // H
export const FIELD_POSITION = 0x50; // P
