/** Values for tests: random ones that come out the same for the same seed, and deep ones. */

/** The same sequence of numbers from 0 to 1 for the same seed (mulberry32). */
export function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** @param {number} seed */
export function sampler(seed) {
  const random = generator(seed);
  const below = (limit) => Math.floor(random() * limit);
  const oneOf = (choices) => choices[below(choices.length)];
  const times = (limit, make) => Array.from({ length: below(limit) }, make);

  /** Any UTF-16, lone surrogates included. */
  const unit = () =>
    oneOf([
      () => String.fromCharCode(0x20 + below(0x5f)),
      () => String.fromCharCode(below(0x80)),
      () => String.fromCharCode(below(0x10000)),
      () => String.fromCharCode(0xd7f0 + below(0x820)),
      () => String.fromCodePoint(0x10000 + below(0x100000)),
    ])();
  const string = () => times(oneOf([4, 20, 60]), unit).join("");

  const double = new DataView(new ArrayBuffer(8));
  /** Any double with a JSON text of its own: no infinity, and no integer that may be rounded. */
  const fraction = () => {
    double.setUint32(0, below(2 ** 32));
    double.setUint32(4, below(2 ** 32));
    const value = double.getFloat64(0);
    return Number.isFinite(value) && !Number.isInteger(value) ? value : random();
  };
  const integer = () => Math.trunc((random() - 0.5) * 2 * 2 ** below(54)) || 0;

  const scalar = () =>
    oneOf([
      string,
      integer,
      fraction,
      () => oneOf([null, true, false, undefined, -0]),
      () => new Date(below(2 ** 40)),
      () => Object(oneOf([string(), integer(), true, false])),
    ])();

  const value = (depth = 0) => {
    if (depth > 5 || random() < 0.4) return scalar() ?? null;
    const inner = () => (random() < 0.1 ? undefined : value(depth + 1));
    return oneOf([
      () => times(6, inner),
      () => Object.fromEntries(times(6, () => [string(), inner()])),
      () => ({ toJSON: (key) => ({ key, value: inner() }) }).toJSON("a"),
    ])();
  };

  return { value, string };
}

/** An empty array in so many arrays that there are `depth` of them. */
export function inArrays(depth) {
  let value = [];
  for (let count = 1; count < depth; count += 1) value = [value];
  return value;
}
