/* SPDX-License-Identifier: BSD-3-Clause */
/* Any text as an xl.cfg file of a host with two nodes, with or without its last line as an
 * override: taken, or refused in one line that a terminal shows. CPUs that were taken are told so
 * that they can be read again. */
#include "split-toolstack/vmcfg/vmcfg.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fake/fake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_one_line(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ')
			return false;
	return true;
}

static void check_cpus(struct xen *host, const struct dom_cpus *c)
{
	char told[16384];
	struct vmcfg_list texts = {0};
	struct dom_cpus again;
	struct err e = {0};

	vmcfg_cpus_text(c, told, sizeof(told));
	if (!c->map)
		return;
	for (const char *at = told; *at; at += strcspn(at, ";"), at += *at == ';')
		if (vmcfg_add(&texts, at, strcspn(at, ";")) < 0)
			abort();
	if (vmcfg_cpus(host, "cpus", &texts, strchr(told, ';') != NULL, &again, &e) < 0 ||
	    again.n != c->n || again.bytes != c->bytes ||
	    memcmp(again.map, c->map, dom_cpus_bytes(c)) != 0)
		__builtin_trap();
	free(again.map);
	vmcfg_list_clear(&texts);
}

/* The last line becomes an override. */
static void take_override(struct vmcfg *v)
{
	char *line = memrchr(v->text, '\n', v->text_len);

	if (!line)
		return;
	if (vmcfg_add(&v->override, line + 1, strlen(line + 1)) < 0)
		abort();
	*line = '\0';
	v->text_len = (size_t)(line - v->text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t node[] = {0, 0, XEN_NO_CPU, 1};
	static struct xen *host;
	struct vmcfg v = {.text = malloc(size + 1), .text_len = size, .xl = size % 4 > 1};
	struct vm_config c;
	struct err e = {0};

	if (!host && xen_open(&host, NULL) < 0)
		abort();
	fake_set_cpus(node, 4);
	v.xen = host;
	if (!v.text)
		return 0;
	memcpy(v.text, data, size);
	v.text[size] = '\0';
	if (size % 2)
		take_override(&v);
	if (vmcfg_parse(&v, &c, &e) < 0) {
		if (e.msg[0] == '\0' || !is_one_line(e.msg))
			__builtin_trap();
	} else {
		check_cpus(host, &c.cpus);
	}
	for (uint32_t i = 0; i < v.warning.n; i++)
		if (!is_one_line(v.warning.item[i]))
			__builtin_trap();
	vm_config_clear(&c);
	vmcfg_clear(&v);
	return 0;
}
