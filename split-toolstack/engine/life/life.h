/* SPDX-License-Identifier: BSD-3-Clause */
/* VMs as objects, and what their verbs have in common. */
#ifndef CHAOS_ENGINE_LIFE_H
#define CHAOS_ENGINE_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "split-toolstack/engine/life/adopt.h"

struct deaths;
struct engine;
struct vm;
struct vm_config;
struct vm_record;

/* --- new.c --- */
struct vm *vm_new(struct engine *en);
void vm_free(struct vm *vm);
bool vm_is_restored(const struct vm *vm); /* it is being built from a file */
/* A fresh VM, in no list, of the state that its record says; an id there is in `left`. Takes
 * what is in `cfg`. NULL: no memory. */
struct vm *vm_of_record(struct engine *en, const struct vm_record *r, struct vm_config *cfg);
/* Calls fn with a VM for each record, which is of fn then; it may change the registry. -errno: fn
 * was not called. */
int vms_recorded(struct engine *en, void (*fn)(struct vm *vm), struct err *e);

/* --- history.c --- */
/* A linked one whose create has failed is gone, but what the history has of its uuid is not.
 * `announced`: VM_EV_CREATED was. */
void vm_unmake(struct vm *vm, bool announced);
/* It lives: what the history has of its uuid is its own past, record and console log. */
void vm_replace_old(struct vm *vm);
/* From the living to the history; frees the name. */
void vm_archive(struct vm *vm);
/* Forgets the oldest ended ones that are too many, at most so many of them; true: there are more.
 * The newest one stays in any case. */
bool history_trim(struct engine *en, uint32_t most);
#define HISTORY_SLACK 64u      /* ended VMs that may wait for it */
void vm_delete(struct vm *vm); /* out of the history, files too; vm is gone */

/* --- create.c --- */
/* Whether this host can run such a VM, and, if it is big, has the memory. `built`: a file has its
 * memory. */
int create_check(struct engine *en, const struct vm_config *c, bool built, struct err *e);
/* Big guests are refused before anything is made; small ones find out on the way. What is being
 * destroyed counts as free: builds wait for it (memory.h). */
int create_check_memory(struct engine *en, const struct vm_config *c, struct err *e);

/* --- answer.c --- */
/* Answers its create, once. */
void vm_create_done(struct vm *vm, int rc, const struct err *e);
/* Its guest has said so: answers its create, too. */
void vm_is_ready(struct vm *vm);

/* --- place.c --- */
/* A linked VM whose devices others have (`wait`: still) may be built: LIFE_PLACED follows when
 * these are free, its files are open and its image is known, or when it cannot be built. */
void vm_place(struct vm *vm, bool wait);
/* The same, with its devices to be looked at first. */
void vm_place_again(struct vm *vm);

/* --- claim_shell.c --- */
/* Moves the best fitting shell into the VM, whose image and configuration are known: the domain is
 * not started yet. False: none; t.why says why. */
bool vm_claim_shell(struct vm *vm);
/* What came before the claim was not on the time of the create. */
void vm_forget_phases(struct vm *vm);

/* --- scan.c --- */
/* Ends of VMs are noticed from now on; decides on the mode of the store. */
int scan_open(struct engine *en, struct deaths **out, struct err *e);

/* --- start.c, connect.c --- */
/* Before each call that changes the domain: 0 when the domain of the VM's id is the VM's; -ESRCH
 * when it is gone or the id another domain's. While pages of it are mapped the id stays its own. */
int vm_check_domain(const struct vm *vm);
/* Its device and control page, unless they are mapped: `fresh`, or as the guest has them. */
int vm_map_pages(struct vm *vm, bool fresh, struct err *e);
/* Of one that lives since the last daemon: maps its pages; its events are heard after vm_listen().
 * On failure nothing is left. */
int vm_connect_again(struct vm *vm, struct err *e);
/* Undoes it; the domain can be destroyed afterwards, and then the slot be given back. */
void vm_disconnect(struct vm *vm);
/* Disconnects its domain, if it has one, and drops it. */
void vm_drop_domain(struct vm *vm);
/* A built one runs, or stays paused, and its create has succeeded; or it has failed (rc): then, and
 * when this fails, nothing of it is left but what had a past. */
int life_finish(struct vm *vm, int rc, struct err *e);
/* What was built goes, and what was opened for it. */
void vm_unbuild(struct vm *vm);

/* --- table.c --- */
/* The VMs, and what happens to them. -ENOMEM; vms_close() follows. */
int life_open(struct engine *en, struct err *e);

#endif
