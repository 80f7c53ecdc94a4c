/*
 * The backend counts bytes of UTF-8, the browser units of UTF-16.
 */

/** The number of bytes before an index of the text. */
export function bytesBefore(text: string, index: number): number {
  return [...text.slice(0, index)].reduce((sum, character) => sum + bytesOf(character), 0);
}

/** The index in the text that so many bytes lie before; the end of the text if it has fewer. */
export function indexOfByte(text: string, bytes: number): number {
  let index = 0;
  let left = bytes;
  for (const character of text) {
    if (left <= 0) {
      break;
    }
    left -= bytesOf(character);
    index += character.length;
  }
  return index;
}

function bytesOf(character: string): number {
  const point = character.codePointAt(0)!;
  return point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
}
