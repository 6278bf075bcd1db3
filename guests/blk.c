/* SPDX-License-Identifier: BSD-3-Clause */
/* blk: fills its first disk with a pattern and reads it back; prints what it found, exit code 0
 * when all of it was right. Options: write=0 only verifies, verify=0 only writes; sectors=N only
 * the first N; seed=N another pattern (see disk.c). */
#include "disk.h"

int guest_main(void)
{
	static struct kit_blk disk;
	struct disk_job job = {.disk = &disk, .seed = kit_option("seed", 0)};
	bool write = kit_option("write", 1);
	bool ok = true;

	kit_traps();
	if (!kit_blk_open(&disk, 0, 16)) {
		kit_print("blk: no disk\r\n");
		return 1;
	}
	job.sectors = kit_option("sectors", disk.dev.vbd.sectors);
	kit_print("blk: disk of %lu sectors%s\r\n", disk.dev.vbd.sectors,
		  disk.dev.flags & NOXS_VBD_READONLY ? ", read-only" : "");
	kit_ready();
	if (write)
		ok = disk_run(&job, true);
	if (ok && kit_option("verify", 1))
		ok = disk_run(&job, false);
	kit_device_close(&disk.dev);
	return ok ? 0 : 1;
}
