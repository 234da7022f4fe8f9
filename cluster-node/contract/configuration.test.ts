import { expect, test } from 'vitest';
import {
  ConfigurationFormatError,
  decodeConfiguration,
  encodeConfiguration,
  firstConfiguration,
  isConfigurationValue,
  votersOf,
} from './configuration.ts';

const member = (memberSlot: number) => ({
  memberSlot,
  nodeId: `n-0000000${memberSlot}`,
  name: `node-${memberSlot}`,
  address: 'fe80::1%eth0',
  peerPort: 7000,
  clientPort: 7001,
});

test('a configuration comes back as it was written, whatever is in its texts', () => {
  const configuration = firstConfiguration([member(3), member(1)]);
  expect(votersOf(configuration)).toEqual([1, 3]);
  expect(configuration.nextMemberSlot).toBe(4);
  const value = encodeConfiguration(configuration);
  expect(isConfigurationValue(value)).toBe(true);
  expect(decodeConfiguration(value)).toEqual(configuration);
});

test('what is no configuration is told apart or refused', () => {
  expect(isConfigurationValue(new Uint8Array(0))).toBe(false);
  expect(isConfigurationValue(Uint8Array.of(1, 2))).toBe(false);
  const value = encodeConfiguration(firstConfiguration([member(1)]));
  for (const broken of [value.subarray(0, -1), value.subarray(1), Uint8Array.of(2, 0x7b, 0x7d)])
    expect(() => decodeConfiguration(broken)).toThrow(ConfigurationFormatError);
});
