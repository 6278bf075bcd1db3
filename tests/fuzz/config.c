/* SPDX-License-Identifier: BSD-3-Clause */
/* Any text as an xl.cfg file of a host with two nodes: taken, or refused in one line. */
#include "split-toolstack/vmcfg.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fake/fake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmcfg v = {.text = malloc(size + 1), .text_len = size};
	static const uint32_t node[] = {0, 0, XEN_NO_CPU, 1};
	static struct xen *host;
	struct vm_config c;
	struct err e = {0};
	char told[64];

	if (!host && xen_open(&host, NULL) < 0)
		abort();
	fake_set_cpus(node, 4);
	v.xen = host;
	if (!v.text)
		return 0;
	memcpy(v.text, data, size);
	v.text[size] = '\0';
	if (vmcfg_parse(&v, &c, &e) < 0 && (e.msg[0] == '\0' || strchr(e.msg, '\n')))
		__builtin_trap();
	vmcfg_cpus_text(&c.cpus, told, sizeof(told));
	vm_config_clear(&c);
	vmcfg_clear(&v);
	return 0;
}
