// The REPL of an emulated board, over the USB serial port.

import { USBCDC } from 'rp2040js';

const PACKET = 64; // bytes

export class Console {
  // take(bytes): what the board printed
  constructor(mcu, take) {
    this.usb = mcu.usbCtrl;
    this.cdc = new USBCDC(this.usb);
    this.cdc.onSerialData = take;
    this.typed = [];
    this.room = 0; // bytes the board is ready to take
    // A host sends a packet when it has one. The answer of USBCDC, an empty one each time,
    // would keep the processor busy with interrupts.
    this.usb.onEndpointRead = (endpoint, size) => {
      if (endpoint === this.cdc.outEndpoint) {
        this.room = size;
        this.send();
      }
    };
  }

  type(bytes) {
    this.typed.push(...bytes);
    this.send();
  }

  send() {
    if (!this.room || !this.typed.length) return;
    const packet = this.typed.splice(0, Math.min(this.room, PACKET));
    this.room = 0;
    this.usb.endpointReadDone(this.cdc.outEndpoint, Uint8Array.from(packet));
  }
}
