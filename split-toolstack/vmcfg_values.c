/* SPDX-License-Identifier: BSD-3-Clause */
/* The values that keys can have, each checked to its last character. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "split-toolstack/vmcfg.h"

#define CPUS_MAX 4096u

/* Digits at *at; false when there are none or too many. */
static bool digits(const char **at, uint64_t *out)
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

	if (!digits(&at, &v) || *at != '\0')
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

	if (!digits(&at, &v))
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

/* One of "N", "N-M", "^N", "^N-M". */
static bool cpu_range(const char **at, uint8_t *map, uint32_t *highest)
{
	bool take_out = **at == '^';
	uint64_t from;
	uint64_t to;

	if (take_out)
		(*at)++;
	if (!digits(at, &from))
		return false;
	to = from;
	if (**at == '-') {
		(*at)++;
		if (!digits(at, &to))
			return false;
	}
	if (from > to || to >= CPUS_MAX)
		return false;
	for (uint64_t i = from; i <= to; i++) {
		uint8_t bit = (uint8_t)(1u << (i % 8));

		map[i / 8] = take_out ? map[i / 8] & (uint8_t)~bit : map[i / 8] | bit;
	}
	if (to > *highest)
		*highest = (uint32_t)to;
	return true;
}

int vmcfg_cpus(const char *value, uint8_t **map, uint32_t *bytes, struct err *e)
{
	const char *at = value;
	uint32_t highest = 0;
	bool any = false;
	uint8_t *m;

	*map = NULL;
	*bytes = 0;
	if (strcmp(value, "all") == 0)
		return 0;
	m = calloc(1, CPUS_MAX / 8);
	if (!m)
		return err_set(e, ENOMEM, "out of memory");
	if (strncmp(value, "all,", 4) == 0) {
		memset(m, 0xff, CPUS_MAX / 8);
		highest = CPUS_MAX - 1;
		at += 4;
	}
	while (cpu_range(&at, m, &highest) && *at == ',')
		at++;
	for (uint32_t i = 0; i < CPUS_MAX / 8; i++)
		any = any || m[i];
	if (*at != '\0' || at == value || at[-1] == ',' || !any) {
		free(m);
		return err_set(e, EINVAL,
			       "cpus \"%s\": give CPUs such as \"0-3,^1\" or \"all\" (nodes are "
			       "not supported)",
			       value);
	}
	*map = m;
	*bytes = highest / 8 + 1;
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
