/* SPDX-License-Identifier: BSD-3-Clause */
/* A VM as fields, as lines for people and as JSON. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "chaos/cli.h"

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

void print_end_text(const struct chaos_vm *v, char *to, size_t room)
{
	if (v->exit_code >= 0)
		(void)snprintf(to, room, "%s, code %d", v->reason, v->exit_code);
	else
		(void)snprintf(to, room, "%s", v->reason);
}

int exit_of(const struct chaos_vm *v)
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

static void print_times(const struct chaos_vm *v)
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

void print_vm(const struct chaos_vm *v)
{
	char text[192];

	line("name", v->name);
	line("uuid", v->uuid);
	if (v->domid)
		printf("%-12s %u\n", "domid", v->domid);
	line("state", v->state);
	if (strcmp(v->state, "unknown") == 0) {
		line("because", v->reason);
	} else if (strcmp(v->reason, "none") != 0) {
		print_end_text(v, text, sizeof(text));
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
	if (v->maxvcpus)
		printf("%-12s %u\n", "maxvcpus", v->maxvcpus);
	if (v->online)
		printf("%-12s %u\n", "online", v->online);
	line("cpus", v->cpus);
	line("kernel", v->kernel);
	line("ramdisk", v->ramdisk);
	line("cmdline", v->cmdline);
	line("snapshot", v->snapshot);
	line("copy of", v->copy_of);
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

int print_json(json_t *j)
{
	int rc = j ? json_dumpf(j, stdout, JSON_INDENT(2)) : -1;

	if (rc == 0)
		rc = putchar('\n') == EOF ? -1 : 0;
	json_decref(j);
	return rc;
}
