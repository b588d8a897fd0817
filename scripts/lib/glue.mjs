// What wasm-bindgen generates hands strings to wasm character by character as long as they are
// ASCII: 15 KB take 20 µs, which is as long as hashing them. TextEncoder takes less than one.

const GENERATED = /\nfunction passStringToWasm0\(arg, malloc, realloc\) \{\n[\s\S]*?\n\}\n/g;

const IN_ONE_PIECE = `
function passStringToWasm0(arg, malloc, realloc) {
    const { length } = arg;
    let ptr = malloc(length, 1) >>> 0;
    const room = getUint8ArrayMemory0().subarray(ptr, ptr + length);
    let { read, written } = cachedTextEncoder.encodeInto(arg, room);
    if (read < length) {
        // Not ASCII alone: what is left takes up to three bytes for each unit.
        const enough = written + (length - read) * 3;
        ptr = realloc(ptr, length, enough, 1) >>> 0;
        const rest = getUint8ArrayMemory0().subarray(ptr + written, ptr + enough);
        written += cachedTextEncoder.encodeInto(arg.slice(read), rest).written;
        ptr = realloc(ptr, enough, written, 1) >>> 0;
    }
    WASM_VECTOR_LEN = written;
    return ptr;
}
`;

/**
 * The generated module with strings handed over in one piece.
 * @param {string} source
 */
export function withQuickStrings(source) {
  const found = source.match(GENERATED)?.length;
  if (found !== 1) {
    throw new Error(`passStringToWasm0 was found ${found ?? 0} times: see scripts/lib/glue.mjs`);
  }
  return source.replace(GENERATED, () => IN_ONE_PIECE);
}
