/* SPDX-License-Identifier: BSD-3-Clause */
/* hello: prints its command line and device page, and powers off with the code of exit=N. */
#include "kit/kit.h"

static void print_bytes(const char *name, const volatile uint8_t *bytes, unsigned int n)
{
	kit_print("%s ", name);
	for (unsigned int i = 0; i < n; i++)
		kit_print("%02x", bytes[i]);
	kit_print("\r\n");
}

int guest_main(void)
{
	volatile struct noxs_page *p = kit.page;

	kit_traps();
	kit_print("hello from a %s guest\r\ncommand line: %s\r\n", kit.pv ? "PV" : "PVH",
		  kit.cmdline);
	if (!p) {
		kit_print("no device page\r\n");
	} else {
		kit_print("noxs ABI %u, domain %u, %u vCPUs, %lu pages, %u devices\r\n", p->version,
			  p->domid, p->vcpus, (unsigned long)p->mem_pages, p->ndev);
		print_bytes("uuid", p->uuid, sizeof(p->uuid));
		kit_print("generation %lu, image ends at page %lu, control page %lu\r\n",
			  (unsigned long)p->generation, (unsigned long)p->image_end_gfn,
			  (unsigned long)p->control_gfn);
		kit_print("started at %lu ns since 1970, now %lu\r\n",
			  (unsigned long)p->wallclock_ns, (unsigned long)kit_wallclock_ns());
	}
	kit_ready();
	return (int)kit_option("exit", 0);
}
