/* SPDX-License-Identifier: BSD-3-Clause */
/* A VM as fields, as lines for people and as JSON. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "chaos/cli.h"

bool view_read(const struct wire_in *in, struct vm_view *v)
{
	struct wire_field f;
	struct wire_in vm;

	memset(v, 0, sizeof(*v));
	v->exit_code = -1;
	if (!wire_find(in, PROTO_VM, &f) || wire_nested(&vm, &f) < 0)
		return false;
	(void)wire_get_text(&vm, PROTO_NAME, v->name, sizeof(v->name));
	(void)wire_get_text(&vm, PROTO_STATE, v->state, sizeof(v->state));
	(void)wire_get_text(&vm, PROTO_REASON, v->reason, sizeof(v->reason));
	(void)wire_get_text(&vm, PROTO_TYPE, v->type, sizeof(v->type));
	(void)wire_get_text(&vm, PROTO_KERNEL, v->kernel, sizeof(v->kernel));
	(void)wire_get_text(&vm, PROTO_RAMDISK, v->ramdisk, sizeof(v->ramdisk));
	(void)wire_get_text(&vm, PROTO_CMDLINE, v->cmdline, sizeof(v->cmdline));
	(void)wire_get_text(&vm, PROTO_ON_POWEROFF, v->on_poweroff, sizeof(v->on_poweroff));
	(void)wire_get_text(&vm, PROTO_ON_REBOOT, v->on_reboot, sizeof(v->on_reboot));
	(void)wire_get_text(&vm, PROTO_ON_CRASH, v->on_crash, sizeof(v->on_crash));
	if (wire_find(&vm, PROTO_UUID, &f) && f.len == 16)
		for (int i = 0, at = 0; i < 16; i++)
			at += snprintf(v->uuid + at, sizeof(v->uuid) - (size_t)at, "%s%02x",
				       i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", f.data[i]);
	v->domid = wire_get_u32(&vm, PROTO_DOMID, 0);
	v->vcpus = wire_get_u32(&vm, PROTO_VCPUS, 0);
	v->restarts = wire_get_u32(&vm, PROTO_RESTARTS, 0);
	v->exit_code = (int)wire_get_u32(&vm, PROTO_EXIT_CODE, UINT32_MAX);
	v->ready = wire_get_u32(&vm, PROTO_READY, 0);
	v->noxs = wire_get_u32(&vm, PROTO_NOXS, 0);
	v->mem_kib = wire_get_u64(&vm, PROTO_MEM_KIB, 0);
	v->maxmem_kib = wire_get_u64(&vm, PROTO_MAXMEM_KIB, 0);
	v->created_ns = wire_get_u64(&vm, PROTO_CREATED, 0);
	v->started_ns = wire_get_u64(&vm, PROTO_STARTED, 0);
	v->ended_ns = wire_get_u64(&vm, PROTO_ENDED, 0);
	v->cpu_ns = wire_get_u64(&vm, PROTO_CPU_NS, 0);
	v->console_bytes = wire_get_u64(&vm, PROTO_CONSOLE_BYTES, 0);
	if (strcmp(v->state, "foreign") == 0 && v->domid == 0)
		(void)snprintf(v->name, sizeof(v->name), "Domain-0");
	return true;
}

static bool is_foreign(const struct vm_view *v)
{
	return strcmp(v->state, "foreign") == 0;
}

/* --- texts --- */

void format_kib(uint64_t kib, char *to, size_t room)
{
	if (kib < 1024 || (kib % 1024 && kib < (10u << 10)))
		(void)snprintf(to, room, "%" PRIu64 "K", kib);
	else if (kib < (10u << 20) || kib % (1u << 20))
		(void)snprintf(to, room, "%" PRIu64 "M", kib >> 10);
	else
		(void)snprintf(to, room, "%" PRIu64 "G", kib >> 20);
}

void format_age(uint64_t ns, char *to, size_t room)
{
	uint64_t s = ns / 1000000000u;

	if (s < 60)
		(void)snprintf(to, room, "%.1fs", (double)ns / 1e9);
	else if (s < 3600)
		(void)snprintf(to, room, "%" PRIu64 "m%02" PRIu64 "s", s / 60, s % 60);
	else if (s < 86400)
		(void)snprintf(to, room, "%" PRIu64 "h%02" PRIu64 "m", s / 3600, s / 60 % 60);
	else
		(void)snprintf(to, room, "%" PRIu64 "d%02" PRIu64 "h", s / 86400, s / 3600 % 24);
}

static void format_time(uint64_t ns, char *to, size_t room)
{
	time_t s = (time_t)(ns / 1000000000u);
	struct tm tm;

	if (!gmtime_r(&s, &tm) || strftime(to, room, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		to[0] = '\0';
}

void view_end_text(const struct vm_view *v, char *to, size_t room)
{
	if (v->exit_code >= 0)
		(void)snprintf(to, room, "%s, code %d", v->reason, v->exit_code);
	else
		(void)snprintf(to, room, "%s", v->reason);
}

int exit_of(const struct vm_view *v)
{
	if (strcmp(v->reason, "poweroff") == 0)
		return v->exit_code >= 0 ? v->exit_code : 0;
	if (strcmp(v->reason, "crash") == 0 || strcmp(v->reason, "watchdog") == 0)
		return EXIT_CRASHED;
	if (strcmp(v->reason, "destroyed") == 0 || strcmp(v->reason, "lost") == 0)
		return EXIT_DESTROYED;
	return 0;
}

static void line(const char *key, const char *value)
{
	if (value[0])
		printf("%-12s %s\n", key, value);
}

static void print_times(const struct vm_view *v)
{
	char text[64];

	if (v->created_ns) {
		format_time(v->created_ns, text, sizeof(text));
		line("created", text);
	}
	if (v->started_ns) {
		format_time(v->started_ns, text, sizeof(text));
		line("started", text);
	}
	if (v->ended_ns && v->domid == 0) {
		format_time(v->ended_ns, text, sizeof(text));
		line("ended", text);
	}
}

void view_print(const struct vm_view *v)
{
	char text[64];

	line("name", v->name);
	line("uuid", v->uuid);
	if (v->domid)
		printf("%-12s %u\n", "domid", v->domid);
	line("state", v->state);
	if (strcmp(v->reason, "none") != 0) {
		view_end_text(v, text, sizeof(text));
		line("end", text);
	}
	line("type", v->type);
	format_kib(v->mem_kib, text, sizeof(text));
	line("memory", text);
	if (v->maxmem_kib != v->mem_kib) {
		format_kib(v->maxmem_kib, text, sizeof(text));
		line("maxmem", text);
	}
	printf("%-12s %u\n", "vcpus", v->vcpus);
	line("kernel", v->kernel);
	line("ramdisk", v->ramdisk);
	line("cmdline", v->cmdline);
	line("noxs", v->noxs ? (v->ready ? "yes, ready" : "yes") : "no");
	line("on_poweroff", v->on_poweroff);
	line("on_reboot", v->on_reboot);
	line("on_crash", v->on_crash);
	print_times(v);
	if (v->restarts)
		printf("%-12s %u\n", "restarts", v->restarts);
	printf("%-12s %.3fs\n", "cpu", (double)v->cpu_ns / 1e9);
	printf("%-12s %" PRIu64 " bytes\n", "console", v->console_bytes);
}

/* --- JSON --- */

static void set_text(json_t *j, const char *key, const char *value)
{
	if (value[0])
		(void)json_object_set_new(j, key, json_string(value));
}

static void set_time(json_t *j, const char *key, uint64_t ns)
{
	char text[64];

	if (!ns)
		return;
	format_time(ns, text, sizeof(text));
	(void)json_object_set_new(j, key, json_string(text));
}

static void set_number(json_t *j, const char *key, uint64_t n)
{
	(void)json_object_set_new(j, key, json_integer((json_int_t)n));
}

json_t *view_json(const struct vm_view *v)
{
	json_t *j = json_object();

	set_text(j, "name", v->name);
	set_text(j, "uuid", v->uuid);
	(void)json_object_set_new(j, "domid",
				  v->domid || is_foreign(v) ? json_integer(v->domid) : json_null());
	set_text(j, "state", v->state);
	set_text(j, "type", v->type);
	set_number(j, "memory_kib", v->mem_kib);
	set_number(j, "vcpus", v->vcpus);
	set_number(j, "cpu_ns", v->cpu_ns);
	if (is_foreign(v))
		return j;
	set_number(j, "maxmem_kib", v->maxmem_kib);
	set_text(j, "reason", v->reason);
	(void)json_object_set_new(j, "exit_code",
				  v->exit_code >= 0 ? json_integer(v->exit_code) : json_null());
	(void)json_object_set_new(j, "noxs", json_boolean(v->noxs));
	(void)json_object_set_new(j, "ready", json_boolean(v->ready));
	set_text(j, "kernel", v->kernel);
	set_text(j, "ramdisk", v->ramdisk);
	set_text(j, "cmdline", v->cmdline);
	set_text(j, "on_poweroff", v->on_poweroff);
	set_text(j, "on_reboot", v->on_reboot);
	set_text(j, "on_crash", v->on_crash);
	set_time(j, "created", v->created_ns);
	set_time(j, "started", v->started_ns);
	set_time(j, "ended", v->domid ? 0 : v->ended_ns);
	set_number(j, "restarts", v->restarts);
	set_number(j, "console_bytes", v->console_bytes);
	return j;
}

int print_json(json_t *j)
{
	int rc = j ? json_dumpf(j, stdout, JSON_INDENT(2)) : -1;

	if (rc == 0)
		rc = putchar('\n') == EOF ? -1 : 0;
	json_decref(j);
	return rc;
}
