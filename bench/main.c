/* SPDX-License-Identifier: BSD-3-Clause */
/* chaos-bench: runs one bench by name and prints JSON lines; bench/run is what people call. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"

static const struct bench benches[] = {
	{"fork", "fork+exec+wait of a static program", bench_fork},
	{"boot-chaos", "create and destroy through a running chaosd", bench_boot_chaos},
	{"latency", "warm, shell and cold creates over an open connection", bench_latency},
	{"scale", "creates up to the 1000th VM, cold, shell and warm", bench_scale},
	{"scale-xl", "xl create with so many VMs of its own", bench_scale_xl},
	{"density", "so many tiny VMs alive at once", bench_density},
	{"adopt", "starts of chaosd with up to so many VMs", bench_adopt},
	{"warm", "warm creates alone, for scripts", bench_warm},
	{"churn", "creates and destroys a second", bench_churn},
	{"destroy_cmd", "chaos destroy as a command", bench_destroy_cmd},
	{"tails", "warm creates beside destroys of large VMs", bench_tails},
	{"busy", "commands beside guests that never block", bench_busy},
	{"branch", "copies of a running small VM", bench_branch},
	{"checkpoint", "a small VM saved and restored", bench_checkpoint},
	{"booted", "copies of a snapshot out of the pool", bench_booted},
	{"shared", "copies that share pages: memory and time of many", bench_shared},
	{"bootedlinux", "copies of a booted Linux out of the pool", bench_bootedlinux},
	{"migrate", "a small VM moved over a socket", bench_migrate},
	{"linux", "a Linux: cold, from a shell, warm", bench_linux},
	{"aheadcontainers", "a container through crun and on a Linux that has booted",
	 bench_aheadcontainers},
	{"kernel", "the small kernel until its process 1 runs", bench_kernel},
	{"linuxsave", "a Linux (PVH) saved and restored", bench_linuxsave},
	{"linuxsavepv", "a Linux (PV) saved and restored", bench_linuxsavepv},
	{"process", "a container of a static program", bench_process},
	{"containers", "a container through crun and through chaos-oci", bench_containers},
	{"firstpacket", "VMs with a vif: until a frame, and a TCP answer", bench_firstpacket},
	{"devscale", "so many vifs connected and let go", bench_devscale},
	{"firewall", "so many guests fw, and frames through each", bench_firewall},
	{"boot-xl", "xl create and xl destroy beside a running xenstored", bench_boot_xl},
};

static int usage(FILE *to)
{
	(void)fputs("usage: chaos-bench NAME [SAMPLES]\n\n", to);
	for (size_t i = 0; i < sizeof(benches) / sizeof(benches[0]); i++)
		(void)fprintf(to, "  %-12s %s\n", benches[i].name, benches[i].what);
	return to == stdout ? 0 : 2;
}

int main(int argc, char **argv)
{
	unsigned long n = 50;

	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
		return usage(stdout);
	if (argc < 2 || argc > 3)
		return usage(stderr);
	if (argc == 3) {
		char *end = NULL;

		n = strtoul(argv[2], &end, 10);
		if (*end != '\0' || n < 1 || n > BENCH_COUNT_MAX) {
			(void)fprintf(stderr, "chaos-bench: \"%s\" samples: give 1 to %d\n",
				      argv[2], BENCH_COUNT_MAX);
			return 2;
		}
	}
	for (size_t i = 0; i < sizeof(benches) / sizeof(benches[0]); i++) {
		if (strcmp(argv[1], benches[i].name) == 0) {
			benches[i].run((unsigned int)n);
			return 0;
		}
	}
	(void)fprintf(stderr, "chaos-bench: no bench \"%s\"; chaos-bench --help lists them\n",
		      argv[1]);
	return 2;
}
