// The Pico's flash chip, as the boot ROM's functions reach it: NOR, erased 4,096 bytes and
// programmed 256 bytes at a time. Each such unit is one operation; power can be cut at any.

export const SIZE = 2 << 20;
const ERASE = 4096;
const PROGRAM = 256;
// Typical of the board's W25Q16JV, by its data sheet.
const ERASE_NANOS = 45e6;
const PROGRAM_NANOS = 0.4e6;

export class Flash {
  // bytes: what the processor sees of the chip; spend(nanos): time passes
  constructor(bytes, spend) {
    this.bytes = bytes;
    this.spend = spend;
    this.operations = 0;
    this.cutAt = 0; // number of the operation during which power goes; 0: none
    this.tear = 'nothing';
    this.dark = false;
    this.overwritten = 0; // pages that were programmed where they were not erased
  }

  erase(at, count) {
    for (const end = at + count; at < end && !this.dark; at += ERASE) {
      this.operate(at, new Uint8Array(ERASE).fill(0xff), ERASE_NANOS);
    }
  }

  program(at, data) {
    for (let done = 0; done < data.length && !this.dark; done += PROGRAM) {
      const page = data.slice(done, done + PROGRAM);
      let clash = 0;
      for (let i = 0; i < page.length; i++) {
        clash |= page[i] & ~this.bytes[at + done + i];
        page[i] &= this.bytes[at + done + i]; // programming only clears bits
      }
      this.overwritten += clash ? 1 : 0;
      this.operate(at + done, page, PROGRAM_NANOS);
    }
  }

  operate(at, wanted, nanos) {
    this.operations++;
    if (this.operations === this.cutAt) {
      this.dark = true;
      this.bytes.set(this.torn(wanted, this.bytes.slice(at, at + wanted.length)), at);
      return;
    }
    this.bytes.set(wanted, at);
    this.spend(nanos);
  }

  // What a cut leaves of the operation that was under way.
  torn(wanted, before) {
    if (this.tear === 'nothing') return before;
    if (this.tear === 'half') {
      before.set(wanted.subarray(0, wanted.length >> 1));
      return before;
    }
    let seed = this.operations;
    return wanted.map((byte, i) => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0; // the C standard's own generator
      const mask = seed >>> 16;
      return (byte & mask) | (before[i] & ~mask);
    });
  }
}
