/* SPDX-License-Identifier: BSD-3-Clause */
/* `chaos create` and `chaos destroy` as whole commands, on a quiet host and beside guests that
 * never block. */
#include <stdio.h>
#include <unistd.h>

#include "bench/conn.h"

#define SETTLE_US 20000
#define SPINNERS  16u

static const char *const destroy_argv[] = {"chaos", "destroy", "bench", NULL};

void bench_destroy_cmd(unsigned int n)
{
	static const struct {
		const char *type, *memory, *size;
	} kinds[] = {{"pv", "256K", "256k"}, {"pv", "4", "4m"}, {"pvh", "4", "4m"}};
	static struct samples s;
	struct chaos *c = conn_open();
	int kernel = open_noop();

	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		char metric[64];

		s.n = 0;
		for (unsigned int i = 0; i < n + 2; i++) {
			uint64_t t;

			(void)conn_create(c, "bench", kinds[k].type, kinds[k].memory, kernel,
					  CHAOS_READY, NULL);
			(void)usleep(SETTLE_US);
			t = spawn_timed(destroy_argv);
			(void)usleep(SETTLE_US);
			if (i >= 2)
				samples_add(&s, t);
		}
		(void)snprintf(metric, sizeof(metric), "destroy_cmd_%s_%s", kinds[k].type,
			       kinds[k].size);
		samples_print(&s, "destroy_cmd", metric);
	}
	(void)close(kernel);
	chaos_close(c);
}

static void commands(struct samples *create, struct samples *destroy, unsigned int n)
{
	const char *const argv[] = {
		"chaos",    "create", "-q",	"--kernel", CHAOS_GUEST_DIR "/noop",
		"--memory", "256K",   "--name", "bench",    NULL};

	create->n = destroy->n = 0;
	for (unsigned int i = 0; i < n + 2; i++) {
		uint64_t t = spawn_timed(argv);
		uint64_t d;

		(void)usleep(SETTLE_US);
		d = spawn_timed(destroy_argv);
		(void)usleep(SETTLE_US);
		if (i >= 2) {
			samples_add(create, t);
			samples_add(destroy, d);
		}
	}
}

static void print_ratio(const char *what, const char *statistic, uint64_t ns, uint64_t alone_ns)
{
	char metric[64];

	(void)snprintf(metric, sizeof(metric), "%s_cmd_%s_beside_%u_spin_over_alone", what,
		       statistic, SPINNERS);
	number_print("busy", metric, "ratio", (double)ns / (double)alone_ns);
}

static void print(const char *what, struct samples *alone, struct samples *beside)
{
	char metric[64];

	(void)snprintf(metric, sizeof(metric), "%s_cmd_alone", what);
	samples_print(alone, "busy", metric);
	(void)snprintf(metric, sizeof(metric), "%s_cmd_beside_%u_spin", what, SPINNERS);
	samples_print(beside, "busy", metric);
	print_ratio(what, "median", beside->ns[beside->n / 2], alone->ns[alone->n / 2]);
	print_ratio(what, "worst", beside->ns[beside->n - 1], alone->ns[alone->n / 2]);
}

void bench_busy(unsigned int n)
{
	static struct samples create[2];
	static struct samples destroy[2];
	struct chaos *c = conn_open();
	char name[16];

	commands(&create[0], &destroy[0], n);
	for (unsigned int i = 0; i < SPINNERS; i++) {
		(void)snprintf(name, sizeof(name), "spin%u", i);
		(void)conn_create_path(c, name, "pv", "256K", CHAOS_GUEST_DIR "/spin", 0, NULL);
	}
	commands(&create[1], &destroy[1], n);
	for (unsigned int i = 0; i < SPINNERS; i++) {
		(void)snprintf(name, sizeof(name), "spin%u", i);
		(void)conn_destroy(c, name);
	}
	chaos_close(c);
	print("create", &create[0], &create[1]);
	print("destroy", &destroy[0], &destroy[1]);
}
