/* SPDX-License-Identifier: BSD-3-Clause */
/* The state of a VM of 4 MiB out of it and into a new one, over an open connection: a running noop
 * is saved into memory of dom0 and goes on, and is restored from there. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/conn.h"

#define REST_US	     30000 /* the pool refills, and pages are given back */
#define LINUX_REST_S 1	   /* likewise, of 128 MiB */

static struct chaos_reply reply;

/* From its start: what is there is written over. */
static void rewind_file(int fd)
{
	if (lseek(fd, 0, SEEK_SET) != 0)
		die("a file in memory: %s", strerror(errno));
}

/* Until the answer; *stopped: how long the guest stood still. */
static uint64_t save(struct chaos *c, int file, uint64_t *stopped)
{
	struct chaos_error e = {0};
	struct chaos_request rq;
	uint64_t start;

	rewind_file(file);
	start = clock_ns();
	chaos_request_init(&rq, CHAOS_SAVE);
	rq.vm = "bench";
	rq.flags = CHAOS_KEEP;
	rq.file_fd = file;
	check(chaos_call(c, &rq, &reply, NULL, NULL, &e), &e);
	*stopped = reply.saved.stopped_ns;
	return clock_ns() - start;
}

/* Until the answer: that it runs, or with CHAOS_READY that its guest has gone on. */
static uint64_t restore(struct chaos *c, int file, uint32_t flags)
{
	struct chaos_error e = {0};
	struct chaos_request rq;
	uint64_t start;

	rewind_file(file);
	start = clock_ns();
	chaos_request_init(&rq, CHAOS_RESTORE);
	rq.name = "copy";
	rq.flags = flags;
	rq.file_fd = file;
	check(chaos_call(c, &rq, &reply, NULL, NULL, &e), &e);
	start = clock_ns() - start;
	(void)usleep(REST_US);
	(void)conn_destroy(c, "copy");
	(void)usleep(REST_US);
	return start;
}

static void print(struct samples *s, const char *bench, const char *what, const char *type,
		  const char *size)
{
	char metric[64];

	(void)snprintf(metric, sizeof(metric), "%s_%s_%s", what, type, size);
	samples_print(s, bench, metric);
}

static void one_type(struct chaos *c, const char *type, unsigned int n)
{
	static struct samples pause;
	static struct samples answer;
	static struct samples back;
	static struct samples event;
	int kernel = open_noop();
	int file = memfd_create("saved", MFD_CLOEXEC);

	if (file < 0)
		die("a file in memory: %s", strerror(errno));
	pause.n = answer.n = back.n = event.n = 0;
	(void)conn_create(c, "bench", type, "4", kernel, CHAOS_READY, NULL);
	for (unsigned int i = 0; i < n + 2; i++) {
		uint64_t stopped;
		uint64_t t = save(c, file, &stopped);
		uint64_t r;
		uint64_t first;

		(void)usleep(REST_US);
		r = restore(c, file, 0);
		first = restore(c, file, CHAOS_READY);
		/* the first ones make the file and warm the caches */
		if (i < 2)
			continue;
		samples_add(&answer, t);
		samples_add(&pause, stopped);
		samples_add(&back, r);
		samples_add(&event, first);
	}
	(void)conn_destroy(c, "bench");
	(void)close(file);
	(void)close(kernel);
	print(&pause, "checkpoint", "save_pause", type, "4m");
	print(&answer, "checkpoint", "save", type, "4m");
	print(&back, "checkpoint", "restore", type, "4m");
	print(&event, "checkpoint", "restore_event", type, "4m");
}

/* A VM "bench" that is there, a Linux of 128 MiB: into a new file in memory, and out of it as a
 * copy. */
static void linux_of(const char *type, unsigned int n)
{
	static struct samples answer;
	static struct samples pause;
	static struct samples back;
	struct chaos *c = conn_open();

	for (unsigned int i = 0; i < n; i++) {
		int file = memfd_create("saved", MFD_CLOEXEC);
		uint64_t stopped;

		if (file < 0)
			die("a file in memory: %s", strerror(errno));
		samples_add(&answer, save(c, file, &stopped));
		samples_add(&pause, stopped);
		(void)sleep(LINUX_REST_S);
		samples_add(&back, restore(c, file, 0));
		(void)close(file);
		(void)sleep(LINUX_REST_S);
	}
	chaos_close(c);
	print(&answer, "linuxsave", "linux_save", type, "128m");
	print(&pause, "linuxsave", "linux_save_pause", type, "128m");
	print(&back, "linuxsave", "linux_restore", type, "128m");
}

void bench_linuxsave(unsigned int n)
{
	linux_of("pvh", n);
}

void bench_linuxsavepv(unsigned int n)
{
	linux_of("pv", n);
}

void bench_checkpoint(unsigned int n)
{
	conn_each_type(one_type, n);
}
