/* SPDX-License-Identifier: BSD-3-Clause */
/* The console rings of the control page (the same as Xen public/io/console.h). */
#include "kit.h"

void kit_write(const char *data, size_t len)
{
	volatile struct noxs_control *c = kit.control;

	while (len) {
		uint32_t cons = __atomic_load_n(&c->out_cons, __ATOMIC_ACQUIRE);
		uint32_t room = NOXS_CONSOLE_OUT_SIZE - (kit.out_prod - cons);

		if (room == 0) {
			kit_notify();
			kit_wait_port(kit.port, 0); /* events of devices are for the program */
			continue;
		}
		for (; room && len; room--, len--)
			c->console_out[kit.out_prod++ % NOXS_CONSOLE_OUT_SIZE] = (uint8_t)*data++;
		__atomic_store_n(&c->out_prod, kit.out_prod, __ATOMIC_RELEASE);
	}
	kit_notify();
}

size_t kit_read(char *data, size_t len)
{
	volatile struct noxs_control *c = kit.control;
	uint32_t prod = __atomic_load_n(&c->in_prod, __ATOMIC_ACQUIRE);
	size_t n = 0;

	while (n < len && kit.in_cons != prod)
		data[n++] = (char)c->console_in[kit.in_cons++ % NOXS_CONSOLE_IN_SIZE];
	if (n) {
		__atomic_store_n(&c->in_cons, kit.in_cons, __ATOMIC_RELEASE);
		kit_notify();
	}
	return n;
}

void kit_print(const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = kit_format(line, sizeof(line), fmt, ap);
	va_end(ap);
	kit_write(line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}
