/* SPDX-License-Identifier: BSD-3-Clause */
/* Adoption: chaosd is killed with so many VMs, and its successor timed until it answers. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/conn.h"

#define MEMORY	"128K"
#define LOG	"/tmp/chaosd-bench.log"
#define TIMES	2u     /* each number of VMs */
#define LOOK_US 200    /* between two tries to connect */
#define WAIT_S	300ull /* at the most */

extern char **environ;

static struct chaos_reply reply;

static pid_t start_daemon(void)
{
	char name[] = "chaosd";
	char store[] = "--store=auto";
	char *const argv[] = {name, store, NULL};
	posix_spawn_file_actions_t to_log;
	pid_t pid = 0;
	int rc;

	(void)posix_spawn_file_actions_init(&to_log);
	(void)posix_spawn_file_actions_addopen(&to_log, 1, LOG, O_WRONLY | O_CREAT | O_APPEND,
					       0600);
	(void)posix_spawn_file_actions_adddup2(&to_log, 1, 2);
	rc = posix_spawnp(&pid, argv[0], &to_log, NULL, argv, environ);
	(void)posix_spawn_file_actions_destroy(&to_log);
	if (rc != 0)
		die("chaosd: %s", strerror(rc));
	return pid;
}

/* Until it tells how many VMs there are. */
static struct chaos *until_it_answers(uint32_t vms)
{
	uint64_t start = clock_ns();
	struct chaos_error e = {0};
	struct chaos_request rq;
	struct chaos *c = NULL;

	while (chaos_open(&c, NULL, &e) < 0) {
		if (clock_ns() - start > WAIT_S * 1000000000ull)
			die("chaosd (" LOG ") did not come up: %s", e.message);
		(void)usleep(LOOK_US);
	}
	chaos_request_init(&rq, CHAOS_HOST);
	check(chaos_call(c, &rq, &reply, NULL, NULL, &e), &e);
	if (reply.host.vms != vms)
		die("%u VMs instead of %u", reply.host.vms, vms);
	return c;
}

static void end_daemon(pid_t pid, int signal)
{
	(void)kill(pid, signal);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

void bench_adopt(unsigned int n)
{
	static struct samples took;
	static struct samples all;
	int kernel = open_noop();
	pid_t pid = start_daemon();
	struct chaos *c = until_it_answers(0);
	unsigned int made = 0;

	for (unsigned int tenth = 1; tenth <= 10; tenth++) {
		while (made < n * tenth / 10) {
			char name[32];

			(void)snprintf(name, sizeof(name), "tiny%u", made++);
			(void)conn_create(c, name, "pv", MEMORY, kernel, 0, NULL);
		}
		for (unsigned int i = 0; i < TIMES; i++) {
			uint64_t start;

			chaos_close(c);
			end_daemon(pid, SIGKILL);
			start = clock_ns();
			pid = start_daemon();
			c = until_it_answers(made);
			samples_add(&took, clock_ns() - start);
			if (made == n)
				samples_add(&all, took.ns[took.n - 1]);
		}
		series_print(&took, "adopt", made);
		took.n = 0;
	}
	samples_print(&all, "adopt", "start_with_all");
	for (unsigned int i = 0; i < made; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "tiny%u", i);
		(void)conn_destroy(c, name);
	}
	chaos_close(c);
	end_daemon(pid, SIGTERM);
	(void)close(kernel);
}
