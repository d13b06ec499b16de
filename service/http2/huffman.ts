// The Huffman code of header fields (RFC 7541, Appendix B). It is canonical: the lengths of the codes
// say all of it.
const LENGTHS =
  "dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6cad67777777777777777777777878djde6" +
  "f56565666577666567655677777fbedskmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn" +
  "qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrqu";
/** End of string: it is in no header. */
const EOS = 256;
const LONGEST = 30;

/** For each length: the first code of it, how many there are, and where their symbols are. */
const first = new Uint32Array(LONGEST + 1);
const count = new Uint16Array(LONGEST + 1);
const offset = new Uint16Array(LONGEST + 1);
const symbols: number[] = [];

for (let length = 1, code = 0; length <= LONGEST; length++) {
  code *= 2;
  first[length] = code;
  offset[length] = symbols.length;
  for (let symbol = 0; symbol <= EOS; symbol++) {
    if (parseInt(LENGTHS[symbol] ?? "", 36) === length) symbols.push(symbol);
  }
  count[length] = symbols.length - (offset[length] ?? 0);
  code += count[length] ?? 0;
}

/** The text that some bytes stand for; undefined where they stand for none. */
export function decodeHuffman(bytes: Buffer): string | undefined {
  let text = "";
  let code = 0;
  let length = 0;
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      code = code * 2 + ((byte >> bit) & 1);
      length++;
      const place = code - (first[length] ?? 0);
      if (place >= 0 && place < (count[length] ?? 0)) {
        const symbol = symbols[(offset[length] ?? 0) + place] ?? EOS;
        if (symbol === EOS) return undefined;
        text += String.fromCharCode(symbol);
        code = 0;
        length = 0;
      } else if (length === LONGEST) return undefined;
    }
  }
  // What fills the last byte is the beginning of EOS: ones, fewer than eight.
  return length < 8 && code === 2 ** length - 1 ? text : undefined;
}
