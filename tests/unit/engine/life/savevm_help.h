/* SPDX-License-Identifier: BSD-3-Clause */
/* Saves and restores on the fake, for the tests of both. */
#ifndef CHAOS_SAVEVM_HELP_H
#define CHAOS_SAVEVM_HELP_H

#include "split-toolstack/engine/life/save.h"
#include "tests/unit/engine/engine_help.h"

struct saved {
	bool called;
	int rc;
	struct stream_stats st;
	struct err err;
	stream_id id;
};

struct restored {
	struct result r;
	struct stream_stats st;
	stream_id id;
};

/* What the guest says of itself: NOXS_CAN_*. */
void says(const struct vm *vm, uint32_t can);
/* A guest that runs, and can be saved. */
struct vm *living(const char *name, enum dom_type type);
/* A save into an open file, which is taken. */
int begin(struct vm *vm, int fd, uint32_t flags, struct saved *s);
/* All of one into a new file, whose first byte is the next one to be read. */
int save(struct vm *vm, uint32_t flags, struct saved *s);
vm_create_fn on_restored; /* arg: struct restored */
/* All of one, from the first byte of the file. */
struct result restore(int file, const char *name, uint32_t flags);
/* It goes out of the history, too. */
void destroy(struct vm *vm);
/* Where the VM that sleeps is (256 bytes); whether it is there. */
void sleeper_path(const uint8_t uuid[16], char *path);
bool has_file(const uint8_t uuid[16]);
/* Its device page says so. */
void is_resumed(const struct vm *vm);
/* All bytes of a frame that the guest uses. */
#define FRAME 5u
void set_byte(const struct vm *vm, uint8_t byte);
uint8_t get_byte(const struct vm *vm);
/* As Xen says. */
void is_paused(const struct vm *vm, bool paused);

#endif
