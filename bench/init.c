/* SPDX-License-Identifier: BSD-3-Clause */
/* Process 1 of the VMs of bench/kernel.c: says that it runs, and how long the kernel did before. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int main(void)
{
	struct timespec t = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	(void)printf("init runs after %ld us\n", t.tv_sec * 1000000 + t.tv_nsec / 1000);
	(void)fflush(stdout);
	for (;;)
		(void)pause();
}
