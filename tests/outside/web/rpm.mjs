// An RPM as small as one can be: lead, signature, header, and something for a payload.

const TEXT = new TextEncoder();
const word = (n) => [(n >>> 24) & 255, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];

function header(tags) {
  const [index, store] = [[], []];
  for (const [tag, value] of tags) {
    const isNumber = typeof value === "number";
    index.push(...word(tag), ...word(isNumber ? 4 : 6), ...word(store.length), ...word(1));
    store.push(...(isNumber ? word(value) : [...TEXT.encode(value), 0]));
  }
  return [0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0, ...word(tags.length), ...word(store.length), ...index, ...store];
}

export function rpm(name, version, release, architecture) {
  const zeros = (count) => new Array(count).fill(0);
  const lead = [0xed, 0xab, 0xee, 0xdb, 3, 0, 0, 0, 0, 1, ...zeros(66), 0, 1, 0, 5, ...zeros(16)];
  const source = `${name}-${version}-${release}.src.rpm`;
  const main = header([[1000, name], [1001, version], [1002, release], [1021, "linux"], [1022, architecture], [1044, source]]);
  const payload = TEXT.encode(`${name} ${version}`);
  const signature = header([[1000, main.length + payload.length]]);
  while (signature.length % 8 !== 0) signature.push(0);
  return Buffer.from([...lead, ...signature, ...main, ...payload]);
}
