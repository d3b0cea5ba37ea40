/**
 * Values of settings: text → checked value and back, by PgBouncer's rules (integers as strtol reads them with base 0,
 * seconds as strtod does, enums in any case). Returns values, throws nothing; who asks makes the message.
 */
import { type SettingName, type SettingSpec, type Settings, type SettingValue, settingNames, settingsTable } from './settings.ts';

/** A value, or what would have been allowed instead (a phrase for an error message). */
export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly allowed: string };

const wrong = (allowed: string): Parsed<never> => ({ ok: false, allowed });
const right = <T>(value: T): Parsed<T> => ({ ok: true, value });

const maxInt = 2147483647;

/** An integer as strtol reads it with base 0: 0x… hexadecimal, 0… octal, else decimal; nothing may follow. */
export function parseInteger(text: string, min = 0, max = maxInt): Parsed<number> {
  const match = /^([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/.exec(text);
  const digits = match?.[2];
  const allowed = max === maxInt ? `an integer, at least ${min}` : `an integer from ${min} to ${max}`;
  if (match === null || digits === undefined) return wrong(allowed);
  const octal = /^0[0-7]+$/.test(digits);
  const size = octal ? Number.parseInt(digits, 8) : Number(digits);
  const value = match[1] === '-' && size !== 0 ? -size : size;
  return value >= min && value <= max ? right(value) : wrong(allowed);
}

/** A decimal number of seconds, not negative; the value is in milliseconds, exact to a microsecond as in PgBouncer. */
export function parseSeconds(text: string): Parsed<number> {
  const allowed = 'a number of seconds without a unit, such as 30 or 0.5';
  if (!/^\+?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)) return wrong(allowed);
  const microseconds = Math.floor(Number(text) * 1e6 + 1e-6);
  return Number.isSafeInteger(microseconds) ? right(microseconds / 1000) : wrong(allowed);
}

const words = new Map([
  ['on', true],
  ['yes', true],
  ['true', true],
  ['off', false],
  ['no', false],
  ['false', false],
]);

/** A share such as `1%` or `0.5%`, or 0; the value is from 0 to 100. */
export function parsePercent(text: string): Parsed<number> {
  const digits = /^(?:0|(\d{1,3}(?:\.\d+)?)%)$/.exec(text);
  const value = Number(digits?.[1] ?? 0);
  return digits === null || value > 100 ? wrong('0, or a percentage up to 100% such as 1% or 0.5%') : right(value);
}

/** 0 or 1 (any other integer is true, as in PgBouncer), or a word. */
export function parseBoolean(text: string): Parsed<boolean> {
  const word = words.get(text.toLowerCase());
  if (word !== undefined) return right(word);
  const number = parseInteger(text, -maxInt);
  return number.ok ? right(number.value !== 0) : wrong('0 or 1');
}

/** One of `values`, in any case; the value is as `values` spells it. */
export function parseEnum<V extends string>(text: string, values: readonly V[]): Parsed<V> {
  const value = values.find((candidate) => candidate === text.toLowerCase());
  return value === undefined ? wrong(values.join(', ')) : right(value);
}

/** The value of a setting as the file or SET gives it. */
export function parseSetting(spec: SettingSpec, text: string): Parsed<SettingValue> {
  switch (spec.type) {
    case 'int':
      return parseInteger(text, spec.min, spec.max);
    case 'seconds':
      return parseSeconds(text);
    case 'wholeSeconds': {
      const seconds = parseInteger(text);
      return seconds.ok ? right(seconds.value * 1000) : seconds;
    }
    case 'percent':
      return parsePercent(text);
    case 'bool':
      return parseBoolean(text);
    case 'enum':
      return parseEnum(text, spec.values ?? []);
    case 'string':
      return right(text);
  }
}

/** `%g` of C: six significant digits, no trailing zeros; SHOW CONFIG prints seconds so. */
export function formatG(value: number): string {
  if (value === 0) return '0';
  const [mantissa = '', exponent = '0'] = value.toExponential(5).split('e');
  const power = Number(exponent);
  if (power >= -4 && power < 6) return String(Number(value.toPrecision(6)));
  const digits = String(Math.abs(power)).padStart(2, '0');
  return `${Number(mantissa)}e${power < 0 ? '-' : '+'}${digits}`;
}

/** The value of a setting as SHOW CONFIG prints it; null for NULL. */
export function printSetting(spec: SettingSpec, value: SettingValue): string | null {
  if (value === undefined) return null;
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (typeof value === 'string') return value;
  if (spec.type === 'seconds') return formatG(value / 1000);
  if (spec.type === 'percent') return value === 0 ? '0' : `${value}%`;
  return String(spec.type === 'wholeSeconds' ? value / 1000 : value);
}

function defaultOf(spec: SettingSpec): SettingValue {
  if (spec.default === null) return spec.type === 'string' ? undefined : 0;
  const parsed = parseSetting(spec, spec.default);
  if (!parsed.ok) throw new Error(`default of a setting is wrong: ${spec.doc}`);
  return parsed.value;
}

function allDefaults(): Settings {
  const values: Partial<Record<SettingName, SettingValue>> = {};
  for (const name of settingNames) values[name] = defaultOf(settingsTable[name]);
  return Object.freeze(values) as Settings;
}

/** What holds when the file says nothing. */
export const defaultSettings: Settings = allDefaults();

/** The items of a comma list such as `admin_users` or `listen_addr`, trimmed, without empty ones. */
export function commaList(text: string | undefined): readonly string[] {
  return (text ?? '')
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}
