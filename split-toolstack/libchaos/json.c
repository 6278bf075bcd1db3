/* SPDX-License-Identifier: BSD-3-Clause */
/* Structures to JSON. */
#include "split-toolstack/libchaos/json.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Bytes of the character that `s` begins with, 0 when it is none (RFC 3629). */
static size_t utf8_bytes(const uint8_t *s)
{
	size_t n = s[0] < 0x80	 ? 1
		   : s[0] < 0xc2 ? 0
		   : s[0] < 0xe0 ? 2
		   : s[0] < 0xf0 ? 3
		   : s[0] < 0xf5 ? 4
				 : 0;

	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* longer than need be, halves of pairs, beyond the last one */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

json_t *text_json(const char *text)
{
	json_t *j = json_string(text);
	const uint8_t *from = (const uint8_t *)text;
	char *clean = j ? NULL : malloc(3 * strlen(text) + 1);
	size_t len = 0;

	if (!clean)
		return j;
	while (*from) {
		size_t n = utf8_bytes(from);

		memcpy(clean + len, n ? (const char *)from : "\xef\xbf\xbd", n ? n : 3);
		len += n ? n : 3;
		from += n ? n : 1;
	}
	j = json_stringn(clean, len);
	free(clean);
	return j;
}

static bool is_foreign(const struct chaos_vm *v)
{
	return strcmp(v->state, "foreign") == 0;
}

static void format_time(uint64_t ns, char *to, size_t room)
{
	time_t s = (time_t)(ns / 1000000000u);
	struct tm tm;

	if (!gmtime_r(&s, &tm) || strftime(to, room, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		to[0] = '\0';
}

void json_set_text(json_t *j, const char *key, const char *value)
{
	if (value[0])
		(void)json_object_set_new(j, key, text_json(value));
}

static void set_time(json_t *j, const char *key, uint64_t ns)
{
	char text[64];

	if (!ns)
		return;
	format_time(ns, text, sizeof(text));
	(void)json_object_set_new(j, key, text_json(text));
}

void json_set_number(json_t *j, const char *key, uint64_t n)
{
	(void)json_object_set_new(j, key, json_integer((json_int_t)n));
}

/* A text for all vCPUs, or a list with one for each, as in a configuration. */
static void set_cpus(json_t *j, const char *cpus)
{
	json_t *list;

	if (!strchr(cpus, ';')) {
		json_set_text(j, "cpus", cpus);
		return;
	}
	list = json_array();
	while (*cpus) {
		size_t len = strcspn(cpus, ";");

		(void)json_array_append_new(list, json_stringn(cpus, len));
		cpus += len + (cpus[len] == ';');
	}
	(void)json_object_set_new(j, "cpus", list);
}

json_t *vm_json(const struct chaos_vm *v)
{
	json_t *j = json_object();

	json_set_text(j, "name", v->name);
	json_set_text(j, "uuid", v->uuid);
	(void)json_object_set_new(j, "domid",
				  v->domid || is_foreign(v) ? json_integer(v->domid) : json_null());
	json_set_text(j, "state", v->state);
	json_set_text(j, "type", v->type);
	json_set_number(j, "memory_kib", v->mem_kib);
	json_set_number(j, "vcpus", v->vcpus);
	json_set_number(j, "cpu_ns", v->cpu_ns);
	if (is_foreign(v))
		return j;
	json_set_number(j, "maxmem_kib", v->maxmem_kib);
	json_set_number(j, "maxvcpus", v->maxvcpus ? v->maxvcpus : v->vcpus);
	json_set_number(j, "vcpus_online", v->domid == 0 ? 0 : v->online ? v->online : v->vcpus);
	set_cpus(j, v->cpus);
	json_set_text(j, "reason", v->reason);
	(void)json_object_set_new(j, "exit_code",
				  v->exit_code >= 0 ? json_integer(v->exit_code) : json_null());
	(void)json_object_set_new(j, "noxs", json_boolean(v->noxs));
	(void)json_object_set_new(j, "ready", json_boolean(v->ready));
	json_set_text(j, "kernel", v->kernel);
	json_set_text(j, "ramdisk", v->ramdisk);
	json_set_text(j, "cmdline", v->cmdline);
	json_set_text(j, "snapshot", v->snapshot);
	json_set_text(j, "copy_of", v->copy_of);
	json_set_text(j, "on_poweroff", v->on_poweroff);
	json_set_text(j, "on_reboot", v->on_reboot);
	json_set_text(j, "on_crash", v->on_crash);
	set_time(j, "created", v->created_ns);
	set_time(j, "started", v->started_ns);
	set_time(j, "ended", v->domid ? 0 : v->ended_ns);
	json_set_number(j, "restarts", v->restarts);
	json_set_number(j, "console_bytes", v->console_bytes);
	return j;
}

json_t *flavor_json(const struct chaos_flavor *f)
{
	json_t *j = json_pack("{s:s,s:I,s:i,s:i,s:i,s:i,s:i,s:I,s:I,s:I}", "type", f->type,
			      "memory_kib", (json_int_t)f->mem_kib, "vcpus", (int)f->vcpus, "low",
			      (int)f->low, "high", (int)f->high, "target", (int)f->target, "ready",
			      (int)f->ready, "hits", (json_int_t)f->hits, "misses",
			      (json_int_t)f->misses, "held_kib", (json_int_t)f->held_kib);

	(void)json_object_set_new(j, "image", *f->image ? text_json(f->image) : json_null());
	(void)json_object_set_new(
		j, "for",
		*f->image || *f->from ? json_null() : json_string(f->for_linux ? "linux" : "noxs"));
	(void)json_object_set_new(j, "from", *f->from ? text_json(f->from) : json_null());
	if (*f->from) {
		json_set_text(j, "ready_when", f->ready_when);
		json_set_text(j, "mac", f->macs);
		json_set_text(j, "ip", f->ips);
		json_set_text(j, "disk", f->disks);
	}
	json_set_number(j, "vifs", f->vifs);
	json_set_number(j, "vbds", f->vbds);
	(void)json_object_set_new(j, "bridge", *f->bridge ? text_json(f->bridge) : json_null());
	(void)json_object_set_new(j, "backend", f->vifs ? text_json(f->backend) : json_null());
	(void)json_object_set_new(j, "ramdisk", *f->ramdisk ? text_json(f->ramdisk) : json_null());
	return j;
}

json_t *image_json(const struct chaos_image *i)
{
	return json_pack("{s:s,s:s,s:s,s:b,s:b,s:o,s:I,s:I,s:I}", "name", i->name, "digest",
			 i->digest, "types", i->types, "noxs", i->noxs, "linux", i->linux_kernel,
			 "guest_os", text_json(i->guest_os), "bytes", (json_int_t)i->bytes,
			 "memory_min_kib", (json_int_t)i->min_kib, "imported_ns",
			 (json_int_t)i->used_ns);
}

json_t *snapshot_json(const struct chaos_snapshot *s)
{
	json_t *j = json_pack("{s:o,s:s,s:o,s:s,s:I,s:I,s:I,s:I,s:I}", "name", text_json(s->name),
			      "digest", s->digest, "vm", text_json(s->vm), "type", s->type, "vcpus",
			      (json_int_t)s->vcpus, "memory_kib", (json_int_t)s->mem_kib, "bytes",
			      (json_int_t)s->bytes, "pages", (json_int_t)s->pages, "pages_in_file",
			      (json_int_t)s->pages_in_file);

	(void)json_object_set_new(j, "parent",
				  *s->parent_name ? text_json(s->parent_name) : json_null());
	(void)json_object_set_new(j, "parent_digest",
				  *s->parent ? json_string(s->parent) : json_null());
	set_time(j, "created", s->created_ns);
	return j;
}

json_t *host_json(const struct chaos_host *h)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:b,s:i,s:I,s:I,s:i,s:I,s:i,s:s}", "chaosd", h->chaos,
			 "xen", h->xen, "store", h->store, "store_room", h->store_room, "pvh",
			 h->pvh, "cpus", (int)h->cpus, "memory_kib", (json_int_t)h->mem_kib,
			 "free_kib", (json_int_t)h->free_kib, "vms", (int)h->vms, "pool_kib",
			 (json_int_t)h->pool_kib, "slots", (int)h->slots, "tail_guard",
			 h->tail_guard);
}

/* Only what an event carries; "chaos info" has the rest. */
static json_t *event_vm(const struct chaos_vm *v)
{
	json_t *j = json_pack("{s:o,s:s,s:s,s:s}", "name", text_json(v->name), "uuid", v->uuid,
			      "state", v->state, "reason", v->reason);

	(void)json_object_set_new(j, "domid", v->domid ? json_integer(v->domid) : json_null());
	(void)json_object_set_new(j, "exit_code",
				  v->exit_code >= 0 ? json_integer(v->exit_code) : json_null());
	return j;
}

json_t *event_json(uint64_t id, const char *event, uint64_t when_ns, const struct chaos_vm *v,
		   const struct chaos_flavor *f)
{
	json_t *j = json_pack("{s:I,s:s,s:I}", "id", (json_int_t)id, "event", event, "time_ns",
			      (json_int_t)when_ns);

	if (v)
		(void)json_object_set_new(j, "vm", event_vm(v));
	if (f)
		(void)json_object_set_new(j, "flavor", flavor_json(f));
	return j;
}
