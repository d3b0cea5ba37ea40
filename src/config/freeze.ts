/** Freezes a configuration all the way down, maps included, so that a reload is the only way to change one. */

function refuse(): never {
  throw new TypeError('a checked configuration cannot be changed');
}

function closeMap(map: Map<unknown, unknown>): void {
  if (Object.isFrozen(map)) return;
  for (const method of ['set', 'delete', 'clear']) Object.defineProperty(map, method, { value: refuse });
}

/** Freezes `value` and everything it reaches; the methods of a Map that change it throw afterwards. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  if (value instanceof Map) {
    closeMap(value);
    for (const item of value.values()) deepFreeze(item);
  } else {
    for (const item of Object.values(value)) deepFreeze(item);
  }
  return Object.freeze(value);
}
