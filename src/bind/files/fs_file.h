/* The file object of mw.fs. fs_file.c makes it for mw.fs.open() and mw.fs.temp(). */
#ifndef MW_BIND_FILES_FS_FILE_H
#define MW_BIND_FILES_FS_FILE_H

#include <lua.h>

/* mw.fs.open(path [, mode]) and mw.fs.temp([folder]) */
int mw_fs_open(lua_State *L);
int mw_fs_temp(lua_State *L);

#endif
