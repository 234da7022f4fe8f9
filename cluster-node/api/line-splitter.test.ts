import { expect, it } from 'vitest';
import { LineSplitter, LineTooLongError } from './line-splitter.ts';

it('puts lines together wherever the chunks are cut, even inside a character', () => {
  const bytes = Buffer.from('{"a":"é"}\r\n\n{"b":2}\nrest');
  for (let cut = 0; cut <= bytes.length; cut++) {
    const splitter = new LineSplitter(100);
    const lines = [...splitter.push(bytes.subarray(0, cut)), ...splitter.push(bytes.subarray(cut))];
    expect(lines).toEqual(['{"a":"é"}', '{"b":2}']);
  }
});

it('refuses a line over the bound, in one chunk or in many', () => {
  expect(new LineSplitter(4).push(Buffer.from('1234\n'))).toEqual(['1234']);
  expect(() => new LineSplitter(4).push(Buffer.from('12345\n'))).toThrow(LineTooLongError);
  const splitter = new LineSplitter(4);
  splitter.push(Buffer.from('123'));
  expect(() => splitter.push(Buffer.from('45'))).toThrow(LineTooLongError);
});
