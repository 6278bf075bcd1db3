/* SPDX-License-Identifier: BSD-3-Clause */
/* The test guest's memory: how much there is, and whether all of it can be used. */
#include "guest.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define STEP  (1u << 20)
#define SPARE 24ul /* MiB that stay free: the kernel needs some */
#define TRIES 1200u

/* A line of /proc/meminfo, in MiB. */
static unsigned long meminfo(const char *what)
{
	FILE *f = fopen("/proc/meminfo", "re");
	char line[128];
	unsigned long kib = 0;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, what, strlen(what)))
			kib = strtoul(line + strlen(what), NULL, 10);
	if (f)
		(void)fclose(f);
	return kib >> 10;
}

void mem_report(void)
{
	say("memory %lu MiB", meminfo("MemTotal:"));
}

static bool fill(uint64_t *at, unsigned long mib)
{
	for (uint64_t i = 0; i < (uint64_t)mib * (STEP / 8); i++)
		at[i] = i * 0x9e3779b97f4a7c15u;
	for (uint64_t i = 0; i < (uint64_t)mib * (STEP / 8); i++)
		if (at[i] != i * 0x9e3779b97f4a7c15u)
			return false;
	return true;
}

/* Until the kernel counts so many MiB or fewer, or so many or more. */
static bool becomes(unsigned long least, unsigned long most)
{
	unsigned long now = 0;

	for (unsigned int i = 0; i < TRIES; i++) {
		now = meminfo("MemTotal:");
		if (now >= least && now <= most)
			return true;
		(void)usleep(50000);
	}
	say("memory stays at %lu MiB", now);
	return false;
}

void mem_grown(const char *what)
{
	const char *second = strchr(what, ':');
	unsigned long room;
	void *at;

	if (!second || !becomes(0, strtoul(what, NULL, 10)))
		return;
	say("waits for memory, has %lu MiB", meminfo("MemTotal:"));
	if (!becomes(strtoul(second + 1, NULL, 10), ~0ul))
		return;
	room = meminfo("MemFree:");
	room = room > SPARE ? room - SPARE : 0;
	at = mmap(NULL, (size_t)room * STEP, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		  -1, 0);
	if (!room || at == MAP_FAILED) {
		say("no memory is free");
		return;
	}
	say("has %lu MiB, %s %lu of them", meminfo("MemTotal:"),
	    fill(at, room) ? "verified" : "LOST some of", room);
	(void)munmap(at, (size_t)room * STEP);
}
