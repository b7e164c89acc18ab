// One emulated Pico: processor, boot ROM, flash, console, watchdog; and the depth of its stack.
//
// Each reset makes a new chip, so nothing of the old one stays but what stays on a real one:
// the flash, and, when it was the watchdog's, its registers and the RAM.

import { RP2040 } from 'rp2040js';

import { Console } from './console.mjs';
import { Flash, SIZE } from './flash.mjs';

const CYCLE_NANOS = 8; // 125 MHz
const XIP = 0x10000000;
const VECTORS = 0x10000100; // of the firmware: behind 256 bytes of second boot stage
const FUNCTIONS = 0x14; // where the boot ROM has the address of its table of functions
const ROM_SIZE = 0x4000;
const SRAM = 0x20000000;
const STAGE2 = 0x20041f00; // where the boot ROM puts the flash's first bytes, and enters them
const STAGE2_SIZE = 256;
const WATCHDOG = 0x40058;
const SCRATCH0 = 0x0c;
const CHUNK = 50000; // instructions between two looks at the clock on the wall
const JUNK = 0xa5; // what RAM holds when power comes
const RESET = Symbol('the watchdog resets the chip');
const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

export class Machine {
  // bootrom: Uint8Array; take(text): what the board printed
  constructor(bootrom, take) {
    this.rom = new Uint32Array(bootrom.slice(0, ROM_SIZE).buffer);
    this.take = take;
    this.image = new Uint8Array(16 << 20).fill(0xff);
    this.flash = new Flash(this.image, (nanos) => this.mcu.clock.tick(nanos));
    this.hooks = this.findHooks(new DataView(this.rom.buffer));
    this.nanos = 0; // simulated, of all chips before this one
    this.resets = 0; // by the watchdog
    this.mcu = null;
    this.low = 0xffffffff;
  }

  // address -> what the boot ROM's function there does; the emulator has no flash controller
  findHooks(rom) {
    const acts = {
      IF: () => {},
      EX: () => {},
      FC: () => {},
      CX: () => {},
      RE: ([at, count]) => this.flash.erase(at % SIZE, count),
      RP: ([at, from, count]) => this.flash.program(at % SIZE, this.bytes(from, count)),
    };
    const hooks = new Array(ROM_SIZE).fill(null);
    let found = 0;
    for (let at = rom.getUint16(FUNCTIONS, true); rom.getUint16(at, true); at += 4) {
      const code = String.fromCharCode(rom.getUint8(at), rom.getUint8(at + 1));
      if (!acts[code]) continue;
      hooks[rom.getUint16(at + 2, true) & ~1] = acts[code];
      found++;
    }
    if (found !== Object.keys(acts).length) throw new Error('this is no boot ROM of an RP2040');
    return hooks;
  }

  bytes(from, count) {
    if (from >= SRAM) return this.mcu.sram.slice(from - SRAM, from - SRAM + count);
    return this.image.slice(from - XIP, from - XIP + count);
  }

  // Switch the board on: nothing is left in RAM and registers.
  power() {
    this.flash.dark = false;
    this.start(null);
  }

  start(before) {
    if (this.mcu) this.nanos += this.mcu.clock.nanos;
    const mcu = new RP2040();
    mcu.logger = SILENT;
    mcu.loadBootrom(this.rom);
    mcu.flash = this.image;
    mcu.flash16 = new Uint16Array(this.image.buffer);
    mcu.flashView = new DataView(this.image.buffer);
    const watchdog = mcu.peripherals[WATCHDOG];
    mcu.sram.fill(JUNK);
    if (before) {
      const old = before.peripherals[WATCHDOG];
      watchdog.scratchData.set(old.scratchData);
      watchdog.reason = old.reason;
      mcu.sram.set(before.sram);
    }
    watchdog.onWatchdogTrigger = () => {
      throw RESET; // out of the instruction: this chip does no other
    };
    // What the boot ROM does: it reads the second stage from the chip, and enters it.
    mcu.sram.set(this.image.subarray(0, STAGE2_SIZE), STAGE2 - SRAM);
    mcu.core.PC = STAGE2;
    mcu.core.LR = 0;
    this.listen(watchdog);
    this.mcu = mcu;
    this.console = new Console(mcu, this.take);
    this.core = mcu.core;
    this.top = mcu.readUint32(VECTORS);
    this.entry = mcu.readUint32(VECTORS + 4) & ~1;
    this.inFirmware = false; // until then the stack is the boot ROM's
  }

  // The application says when what runs is not its own, but a far end's, by a register that
  // nobody uses: then the stack is not watched, and the watchdog's time stands still.
  listen(watchdog) {
    const write = watchdog.writeUint32.bind(watchdog);
    this.isWatched = true;
    watchdog.writeUint32 = (offset, value) => {
      write(offset, value);
      if (offset !== SCRATCH0) return;
      this.isWatched = value !== 1;
      watchdog.timer.enable = watchdog.enable && this.isWatched;
      this.halted = true; // execute() looks at it
    };
  }

  now() {
    return this.nanos + this.mcu.clock.nanos;
  }

  // Run until stop() returns true, power is cut, or simulated time is `until` nanos.
  // stop is asked when something was printed and every CHUNK instructions.
  run(until, stop) {
    this.halted = false;
    while (!stop() && !this.flash.dark && this.now() < until) {
      this.halted = false;
      try {
        this.inFirmware ? this.execute(until - this.nanos) : this.boot();
      } catch (thrown) {
        if (thrown !== RESET) throw thrown;
        this.resets++;
        this.start(this.mcu);
      }
    }
  }

  // Until the second boot stage enters the firmware.
  boot() {
    const { core, mcu } = this;
    for (let i = 0; i < CHUNK && !this.halted; i++) {
      if (core.PC === this.entry) {
        this.inFirmware = true;
        return;
      }
      if (!this.hooked(core)) mcu.clock.tick(core.executeInstruction() * CYCLE_NANOS);
    }
  }

  hooked(core) {
    const act = core.PC < ROM_SIZE && this.hooks[core.PC];
    if (!act) return false;
    act(core.registers);
    core.PC = core.LR & ~1;
    if (this.flash.dark) this.halted = true;
    return true;
  }

  // The inner loop. It allocates nothing, and looks at SP after each instruction.
  execute(until) {
    const { core } = this;
    const { clock } = this.mcu;
    const { registers } = core;
    let low = this.isWatched ? this.low : 0;
    for (let i = 0; i < CHUNK && !this.halted; i++) {
      if (core.waiting) {
        const left = until - clock.nanos;
        if (left <= 0) break;
        clock.tick(clock.nextAlarm ? Math.min(clock.nanosToNextAlarm, left) : left);
        continue;
      }
      if (registers[15] < ROM_SIZE && this.hooked(core)) continue;
      clock.tick(core.executeInstruction() * CYCLE_NANOS);
      if (registers[13] < low) this.low = low = registers[13];
    }
  }
}
