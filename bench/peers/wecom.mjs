// @wecom/crypto over and over: node wecom.mjs SECONDS. Signature and decryption of 500 bytes; the library leaves the
// comparison to its caller and checks neither receiveid nor lengths.
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(join(process.env.BENCH_WORK, 'node/'));
const { getSignature, encrypt, decrypt } = require('@wecom/crypto');
const key = Buffer.alloc(32, 9).toString('base64').slice(0, 43);
const sealed = encrypt(key, 'm'.repeat(500), 'ww1234567890abcdef');
const parts = ['tok123', '1700000000', 'nonce99', sealed];
const signature = getSignature(...parts);
const began = process.hrtime.bigint(), end = began + BigInt(Math.round(process.argv[2] * 1e9));
let count = 0;
while (process.hrtime.bigint() < end) {
  for (let i = 0; i < 100; i++, count++) {
    if (getSignature(...parts) !== signature) throw new Error('signature');
    if (decrypt(key, sealed).message.length !== 500) throw new Error('message');
  }
}
console.log(Math.round(count / (Number(process.hrtime.bigint() - began) / 1e9)));
