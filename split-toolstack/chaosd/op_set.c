/* SPDX-License-Identifier: BSD-3-Clause */
/* set: changes a VM that runs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "split-toolstack/chaosd/fields.h"
#include "split-toolstack/chaosd/ops.h"
#include "split-toolstack/engine/life/set.h"

#define SETTING_MAX 64u

/* Decimal digits; for memory followed by K, M or G. */
static bool number(const char *text, bool is_memory, uint64_t *out)
{
	static const char units[] = "KMG";
	size_t digits = strspn(text, "0123456789");
	const char *unit = text[digits] && is_memory ? strchr(units, text[digits]) : NULL;
	uint64_t n = digits && digits < 10 ? strtoull(text, NULL, 10) : UINT64_MAX;

	if (n == UINT64_MAX || (text[digits] && (!unit || text[digits + 1])))
		return false;
	if (is_memory)
		n <<= 10 * (unit ? unit - units : 1);
	*out = n;
	return true;
}

static int read_setting(const char *text, struct vm_settings *s, struct err *e)
{
	const char *value = strchr(text, '=');
	size_t len = value ? (size_t)(value - text) : 0;
	bool is_memory = len == 6 && strncmp(text, "memory", len) == 0;
	uint64_t n = 0;
	uint32_t *to = NULL;

	if (len == 10 && strncmp(text, "cpu_weight", len) == 0)
		to = &s->weight;
	else if (len == 3 && strncmp(text, "cap", len) == 0)
		to = &s->cap;
	else if (!is_memory)
		return err_set(e, EINVAL, "\"%s\": give memory=..., cpu_weight=... or cap=...",
			       text);
	if (!number(value + 1, is_memory, &n) || (is_memory && n == 0))
		return err_set(e, EINVAL, "\"%s\": %s", text,
			       is_memory ? "give MiB, or a number with K, M or G"
					 : "give a number");
	if (is_memory)
		s->mem_kib = n;
	else
		*to = (uint32_t)n;
	return 0;
}

static int read_settings(const struct request *r, struct vm_settings *s, struct err *e)
{
	struct wire_field f;
	uint32_t at = 0;
	uint32_t count = 0;
	int rc = 0;

	while (rc == 0 && wire_next(&r->in, &at, &f)) {
		char text[SETTING_MAX];

		if (f.id != PROTO_SET)
			continue;
		if (f.len >= sizeof(text) || memchr(f.data, '\0', f.len))
			return err_set(e, EINVAL, "set: no setting has %u characters", f.len);
		memcpy(text, f.data, f.len);
		text[f.len] = '\0';
		rc = read_setting(text, s, e);
		count++;
	}
	return rc == 0 && !count
		       ? err_set(e, EINVAL, "set: give memory=..., cpu_weight=... or cap=...")
		       : rc;
}

int op_set(struct engine *en, struct request *r, struct err *e)
{
	struct vm_settings s = {.weight = VM_SET_KEEP, .cap = VM_SET_KEEP};
	struct wire_out w;
	struct vm *vm;
	int rc = request_vm(en, r, &vm, e);

	if (rc == 0)
		rc = read_settings(r, &s, e);
	if (rc == 0)
		rc = vm_set(vm, &s, e);
	if (rc < 0)
		return rc;
	reply_begin(r->c, &w, PROTO_OK, r->in.h.tag);
	wire_text(&w, PROTO_NAME, vm_name(vm));
	reply_send(r->c, &w);
	log_line(LOG_INFO, "op=set name=%s uid=%u pid=%d", vm_name(vm), r->c->uid, r->c->pid);
	return 0;
}
