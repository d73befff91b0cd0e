#pragma once
// The emulated device has no numbers of 8 bits; headers that only mention them find this.
