/* SPDX-License-Identifier: BSD-3-Clause */
/* Which physical CPUs run which vCPU: converts the texts of `cpus` into bitmaps, and back. */
#include "split-toolstack/vmcfg/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CPUS_MAX 4096u /* ids, when the host is not known */

static bool has(const uint8_t *map, uint32_t cpu)
{
	return map[cpu / 8] >> (cpu % 8) & 1;
}

/* --- to text --- */

struct out {
	char *to;
	size_t room, used;
};

static void put(struct out *o, const char *text)
{
	size_t len = strlen(text);

	if (len >= o->room - o->used)
		len = o->room - o->used - 1;
	memcpy(o->to + o->used, text, len);
	o->used += len;
	o->to[o->used] = '\0';
}

static bool is_full(const uint8_t *map, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i++)
		if (map[i] != 0xff)
			return false;
	return true;
}

static void put_ranges(struct out *o, const uint8_t *map, uint32_t bytes)
{
	const char *comma = "";

	for (uint32_t i = 0; i < bytes * 8; i++) {
		uint32_t from = i;
		char text[16];

		if (!has(map, i))
			continue;
		while (i + 1 < bytes * 8 && has(map, i + 1))
			i++;
		put(o, comma);
		(void)snprintf(text, sizeof(text), "%u", from);
		put(o, text);
		(void)snprintf(text, sizeof(text), "-%u", i);
		put(o, from == i ? "" : text);
		comma = ",";
	}
}

void vmcfg_cpus_text(const struct dom_cpus *c, char *to, size_t room)
{
	struct out o = {to, room, 0};
	uint32_t n = c->n ? c->n : 1;

	to[0] = '\0';
	if (!c->map)
		return;
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *map = c->map + (size_t)i * c->bytes;

		if (is_full(map, c->bytes))
			put(&o, "all");
		else
			put_ranges(&o, map, c->bytes);
		if (i + 1 < n || c->n == 1)
			put(&o, ";");
	}
	if (o.used == room - 1 && room > 4)
		memcpy(to + room - 4, "...", 4);
}

/* --- from text --- */

/* A text while it is parsed. */
struct reading {
	const struct xen_cpus *host; /* n 0: not known */
	const char *key, *text;
	uint8_t *map;
	uint32_t room; /* ids in the map: a multiple of 8 */
};

static int not_read(const struct reading *r, struct err *e)
{
	return err_set(e, EINVAL, "%s \"%s\": give CPUs such as \"0-3,^1\", \"nodes:0\" or \"all\"",
		       r->key, r->text);
}

/* Sets an error with the CPU or node that the host does not have, and those that it has. */
static int not_there(const struct reading *r, bool node, uint64_t id, struct err *e)
{
	uint8_t map[CPUS_MAX / 8] = {0};
	struct out o;
	char have[64] = "";

	for (uint32_t i = 0; i < r->host->n; i++) {
		uint32_t n = r->host->node[i] == XEN_NO_CPU || !node ? i : r->host->node[i];

		if (r->host->node[i] != XEN_NO_CPU && n < CPUS_MAX)
			map[n / 8] |= (uint8_t)(1u << (n % 8));
	}
	o = (struct out){have, sizeof(have), 0};
	put_ranges(&o, map, sizeof(map));
	return err_set(e, EINVAL, "%s \"%s\": this host has no %s %llu; it has %s", r->key, r->text,
		       node ? "NUMA node" : "CPU", (unsigned long long)id, have);
}

static void set_one(struct reading *r, uint32_t cpu, bool take_out)
{
	uint8_t bit = (uint8_t)(1u << (cpu % 8));

	if (take_out)
		r->map[cpu / 8] &= (uint8_t)~bit;
	else
		r->map[cpu / 8] |= bit;
}

/* Removed CPUs need not exist. */
static int set_cpus(struct reading *r, uint64_t from, uint64_t to, bool take_out, struct err *e)
{
	for (uint64_t i = from; i <= to; i++) {
		bool there = i < r->room && (r->host->n == 0 ||
					     (i < r->host->n && r->host->node[i] != XEN_NO_CPU));

		if (!there && !take_out)
			return r->host->n ? not_there(r, false, i, e) : not_read(r, e);
		if (there)
			set_one(r, (uint32_t)i, take_out);
		else if (i >= r->room)
			break;
	}
	return 0;
}

static int set_nodes(struct reading *r, uint64_t from, uint64_t to, bool take_out, struct err *e)
{
	if (r->host->n == 0)
		return err_set(e, EINVAL, "%s \"%s\": the host's nodes are not known", r->key,
			       r->text);
	for (uint64_t node = from; node <= to && node < XEN_NO_CPU; node++) {
		bool any = false;

		for (uint32_t i = 0; i < r->host->n; i++) {
			if (r->host->node[i] != node)
				continue;
			any = true;
			set_one(r, i, take_out);
		}
		if (!any && !take_out)
			return not_there(r, true, node, e);
		if (!any && node > CPUS_MAX)
			break;
	}
	return 0;
}

static void skip_blank(const char **at)
{
	*at += strspn(*at, " \t");
}

static bool skip_word(const char **at, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(*at, word, len) != 0)
		return false;
	*at += len;
	return true;
}

/* Parses "N", "N-M", "nodes:N-M", "all", with ^ to remove; up to its comma or the end. */
static int read_part(struct reading *r, const char **at, struct err *e)
{
	bool take_out = skip_word(at, "^");
	bool nodes;
	uint64_t from;
	uint64_t to;

	skip_blank(at);
	nodes = skip_word(at, "nodes:") || skip_word(at, "node:");
	skip_blank(at);
	if (!take_out && skip_word(at, "all")) {
		memset(r->map, 0xff, r->room / 8);
		skip_blank(at);
		return **at == ',' || **at == '\0' ? 0 : not_read(r, e);
	}
	if (!vmcfg_digits(at, &from))
		return not_read(r, e);
	to = from;
	skip_blank(at);
	if (skip_word(at, "-")) {
		skip_blank(at);
		if (!vmcfg_digits(at, &to))
			return not_read(r, e);
		skip_blank(at);
	}
	if ((**at != ',' && **at != '\0') || to < from)
		return not_read(r, e);
	return nodes ? set_nodes(r, from, to, take_out, e) : set_cpus(r, from, to, take_out, e);
}

/* Keeps only CPUs that exist; for "all", all bits stay. */
static void mask(struct reading *r)
{
	if (r->host->n == 0 || is_full(r->map, r->room / 8))
		return;
	for (uint32_t i = 0; i < r->room; i++)
		if (i >= r->host->n || r->host->node[i] == XEN_NO_CPU)
			set_one(r, i, true);
}

static int read_text(struct reading *r, struct err *e)
{
	const char *at = r->text;
	int rc = 0;

	while (rc == 0) {
		skip_blank(&at);
		if (*at == '\0')
			break;
		if (*at == ',')
			at++;
		else
			rc = read_part(r, &at, e);
	}
	if (rc < 0)
		return rc;
	mask(r);
	for (uint32_t i = 0; i < r->room / 8; i++)
		if (r->map[i])
			return 0;
	return err_set(e, EINVAL, "%s \"%s\": leaves no CPU to run on", r->key, r->text);
}

static int read_all(const struct xen_cpus *host, const char *key, const struct vmcfg_list *text,
		    bool each, struct dom_cpus *out, struct err *e)
{
	uint32_t n = text->n < DOM_MAX_VCPUS ? text->n : DOM_MAX_VCPUS;
	struct reading r = {.host = host, .key = key};
	int rc = 0;

	r.room = ((host->n ? host->n : CPUS_MAX) + 7) / 8 * 8;
	out->bytes = r.room / 8;
	out->n = each ? n : 0;
	out->map = calloc(n, out->bytes);
	if (!out->map)
		return err_set(e, ENOMEM, "out of memory");
	for (uint32_t i = 0; rc == 0 && i < n; i++) {
		r.text = text->item[i];
		r.map = out->map + (size_t)i * out->bytes;
		rc = read_text(&r, e);
	}
	if (rc < 0 || (!each && is_full(out->map, out->bytes))) {
		free(out->map);
		*out = (struct dom_cpus){0};
	}
	return rc;
}

int vmcfg_cpus(struct xen *x, const char *key, const struct vmcfg_list *text, bool each,
	       struct dom_cpus *out, struct err *e)
{
	struct xen_cpus host = {0};
	int rc = 0;

	*out = (struct dom_cpus){0};
	if (text->n == 0)
		return 0;
	if (x)
		rc = xen_host_cpus(x, &host);
	if (rc < 0)
		return err_sys(e, -rc, "%s: read this host's CPUs from Xen", key);
	rc = read_all(&host, key, text, each, out, e);
	free(host.node);
	return rc;
}
