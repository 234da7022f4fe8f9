/** RFC 7541, appendix C, and what its text forbids. */
import { expect, test } from 'vitest';
import { headerBlock } from './header-block.ts';
import { HeaderDecoder } from './header-decoder.ts';
import { decodeHuffman } from './huffman.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
const decoder = (): HeaderDecoder => new HeaderDecoder(32 * 1024);
const listOf = (using: HeaderDecoder, block: string): string[] =>
  using.fields(hex(block)).map(({ name, value }) => `${name}: ${value}`);

test.each([
  ['C.2.1', '400a637573746f6d2d6b65790d637573746f6d2d686561646572', 'custom-key: custom-header'],
  ['C.2.2', '040c2f73616d706c652f70617468', ':path: /sample/path'],
  ['C.2.3', '100870617373776f726406736563726574', 'password: secret'],
  ['C.2.4', '82', ':method: GET'],
])('%s: one field', (_, block, field) => {
  expect(listOf(decoder(), block)).toEqual([field]);
});

const requests = [
  [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'],
  [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com', 'cache-control: no-cache'],
  [':method: GET', ':scheme: https', ':path: /index.html', ':authority: www.example.com', 'custom-key: custom-value'],
];

test.each([
  [
    'C.3',
    [
      '828684410f7777772e6578616d706c652e636f6d',
      '828684be58086e6f2d6361636865',
      '828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565',
    ],
  ],
  [
    'C.4',
    [
      '828684418cf1e3c2e5f23a6ba0ab90f4ff',
      '828684be5886a8eb10649cbf',
      '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf',
    ],
  ],
])('%s: requests on one connection', (_, blocks) => {
  const using = decoder();
  expect(blocks.map((block) => listOf(using, block))).toEqual(requests);
});

const setCookie = 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1';
const answerOf = (status: number, seconds: number): string[] => [
  `:status: ${status}`,
  'cache-control: private',
  `date: Mon, 21 Oct 2013 20:13:${seconds} GMT`,
  'location: https://www.example.com',
];
const answers = [
  answerOf(302, 21),
  answerOf(307, 21),
  [...answerOf(200, 22), 'content-encoding: gzip', `set-cookie: ${setCookie}`],
];
/** The table of these examples holds 256 bytes. */
const SIZE_256 = '3fe101';

test.each([
  [
    'C.5',
    [
      `${SIZE_256}4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470
       733a2f2f7777772e6578616d706c652e636f6d`,
      '4803333037c1c0bf',
      `88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a
       584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31`,
    ],
  ],
  [
    'C.6',
    [
      `${SIZE_256}488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82
       ae43d3`,
      '4883640effc1c0bf',
      `88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f36
       72c1ab270fb5291f9587316065c003ed4ee5b1063d5007`,
    ],
  ],
])('%s: answers, and fields that fall out of the table', (_, blocks) => {
  const using = decoder();
  expect(blocks.map((block) => listOf(using, block))).toEqual(answers);
  // The first of four that fit, and no fifth.
  expect(listOf(using, 'c0')).toEqual([`date: Mon, 21 Oct 2013 20:13:22 GMT`]);
  expect(() => using.fields(hex('c1'))).toThrow('no header has index 65');
});

test.each([
  ['an index of nothing', '80', 'no header has index 0'],
  ['an index beyond the table', 'be', 'no header has index 62'],
  ['a field without its value', '00016b', 'ends inside'],
  ['a string longer than the block', '0005616200', 'longer than its block'],
  ['an integer without end', `ff${'80'.repeat(20)}`, 'too large'],
  ['an integer of many bits', 'ffffffffff7f', 'too large'],
  ['a table larger than ours', '3fe21f', 'not allowed'],
  ['a change of the table after a field', '8220', 'not allowed'],
  ['the end of a string inside it', '0084ffffffff00', 'not in the Huffman code'],
  ['padding of more than seven bits', '008207ff00', 'not in the Huffman code'],
  ['padding that is not of ones', '00810000', 'not in the Huffman code'],
])('refuses %s', (_, block, flaw) => {
  expect(() => decoder().fields(hex(block))).toThrow(flaw);
});

test('a list that becomes too large ends it, however small its block', () => {
  const using = decoder();
  // A length of 4000: 127 and 3873 more.
  const long = Buffer.concat([hex('40016b7fa11e'), Buffer.alloc(4000, 'v')]);
  expect(using.fields(long)[0]?.value).toHaveLength(4000);
  expect(() => using.fields(Buffer.alloc(9, 0xbe))).toThrow('headers of more than 32768 bytes');
});

test('a remembered block is read anew once the table has changed', () => {
  const using = decoder();
  const withIndex = hex('838684be');
  using.fields(hex('40 0161 0131'));
  const first = using.request(withIndex);
  expect(first?.get('a')).toBe('1');
  expect(using.request(withIndex)).toBe(first);
  using.fields(hex('40 0161 0132'));
  expect(using.request(withIndex)?.get('a')).toBe('2');
});

test.each([
  ['a name in capitals', { 'X-a': '1' }],
  ['a header of the connection', { connection: 'close' }],
  ['te other than trailers', { te: 'gzip' }],
  ['a pseudo-header of answers', { ':status': '200' }],
  ['a pseudo-header after another', { a: '1', ':authority': 'x' }],
  ['a line end in a value', { a: '1\r\nb: 2' }],
  ['an empty path', { ':path': '' }],
])('no request: %s', (_, more: Record<string, string>) => {
  const pseudo = { ':method': 'POST', ':scheme': 'http', ':path': '/' };
  expect(decoder().request(headerBlock(pseudo))?.get(':path')).toBe('/');
  expect(decoder().request(headerBlock({ ...pseudo, ...more }))).toBeNull();
});

test('a header that comes twice is joined, a pseudo-header must not', () => {
  const pseudo = headerBlock({ ':method': 'POST', ':scheme': 'http', ':path': '/' });
  const twice = (block: Buffer) => decoder().request(Buffer.concat([pseudo, block, block]));
  expect(twice(headerBlock({ a: '1' }))?.get('a')).toBe('1, 1');
  expect(twice(headerBlock({ ':authority': 'x' }))).toBeNull();
});

test('strings of any length are written as they are read', () => {
  for (const length of [0, 1, 126, 127, 128, 254, 255, 300, 5000]) {
    const value = 'v'.repeat(length);
    expect(decoder().fields(headerBlock({ ':status': '200', k: value }))).toEqual([
      { name: ':status', value: '200' },
      { name: 'k', value },
    ]);
  }
});

test('the Huffman code of the longest symbols', () => {
  // Line feed has 30 bits, and two ones fill the byte.
  expect(decodeHuffman(hex('fffffff3'))).toBe('\n');
  expect(decodeHuffman(hex(''))).toBe('');
});
