/* SPDX-License-Identifier: BSD-3-Clause */
/* The values that keys can have, each checked to its last character. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "split-toolstack/vmcfg/private.h"

bool vmcfg_digits(const char **at, uint64_t *out)
{
	const char *p = *at;

	*out = 0;
	while (*p >= '0' && *p <= '9') {
		if (*out > (UINT64_MAX - 9) / 10)
			return false;
		*out = *out * 10 + (uint64_t)(*p++ - '0');
	}
	if (p == *at)
		return false;
	*at = p;
	return true;
}

int vmcfg_number(const char *key, const char *value, uint32_t low, uint32_t high, uint32_t *out,
		 struct err *e)
{
	const char *at = value;
	uint64_t v;

	if (!vmcfg_digits(&at, &v) || *at != '\0')
		return err_set(e, EINVAL, "%s \"%s\": not a number; give %u to %u", key, value, low,
			       high);
	if (v < low || v > high)
		return err_set(e, EINVAL, "%s %s: out of range; give %u to %u", key, value, low,
			       high);
	*out = (uint32_t)v;
	return 0;
}

int vmcfg_memory(const char *key, const char *value, uint64_t *kib, struct err *e)
{
	static const char units[] = "KMGT";
	const char *at = value;
	const char *unit = NULL;
	uint64_t v;
	uint32_t shift = 10; /* MiB */

	if (!vmcfg_digits(&at, &v))
		return err_set(e, EINVAL,
			       "%s \"%s\": not a number; give MiB, or a number with K, M or G", key,
			       value);
	if (*at) {
		unit = strchr(units, *at >= 'a' && *at <= 'z' ? *at - 'a' + 'A' : *at);
		if (unit)
			shift = (uint32_t)(unit - units) * 10;
		at++;
		if (unit && (strcmp(at, "iB") == 0 || strcmp(at, "B") == 0 || strcmp(at, "b") == 0))
			at += strlen(at);
	}
	if ((value[strspn(value, "0123456789")] && !unit) || *at)
		return err_set(e, EINVAL, "%s \"%s\": an unknown unit; use K, M, G or T", key,
			       value);
	if (v == 0)
		return err_set(e, EINVAL, "%s %s: must be more than 0", key, value);
	if (v > (UINT64_MAX >> shift) || v << shift > (16ull << 30))
		return err_set(e, EINVAL, "%s %s: more than 16 TiB", key, value);
	*kib = v << shift;
	return 0;
}

int vmcfg_backend(const char *key, const char *value, struct err *e)
{
	static const char *const names[] = {"0", "dom0", "Domain-0", "domain-0"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(value, names[i]) == 0)
			return 0;
	return err_set(e, EOPNOTSUPP,
		       "%s \"%s\": driver domains are not supported; backends are in dom0", key,
		       value);
}
