# Applies runtime/native/patches/*.patch to the unpacked source, in the order of their names, exactly once.
#
# Invariant: after a configure the source is the sdist plus exactly the patches of the folder, whatever was there before.
# A list of what was applied (name and hash) stands beside the source. When it no longer matches the folder, only the
# files that a patch touched or touches are taken from the sdist again and patched anew, so a rebuild stays small.

# Sets `variable` to the SHA-256 over names and contents of all patches, or "none", and EDGESLM_PATCHES to their list,
# one `hash  name` a line. edgeslm/doctor.py computes the same.
function(edgeslm_hash_patches folder variable)
    file(GLOB patches "${folder}/*.patch")
    list(SORT patches)
    set(lines "")
    foreach(patch IN LISTS patches)
        file(SHA256 "${patch}" hash)
        get_filename_component(name "${patch}" NAME)
        string(APPEND lines "${hash}  ${name}\n")
    endforeach()
    set(EDGESLM_PATCHES "${lines}" PARENT_SCOPE)
    if(lines STREQUAL "")
        set(${variable} "none" PARENT_SCOPE)
    else()
        string(SHA256 hash "${lines}")
        set(${variable} "${hash}" PARENT_SCOPE)
    endif()
endfunction()

# Sets `variable` to the paths, relative to llama.cpp, that one patch names as its before or after side.
function(edgeslm_list_patched_files patch variable)
    file(STRINGS "${patch}" headers REGEX "^(---|\\+\\+\\+) [ab]/")
    set(files "")
    foreach(header IN LISTS headers)
        string(REGEX REPLACE "^(---|\\+\\+\\+) [ab]/([^\t]*).*$" "\\2" file "${header}")
        list(APPEND files "${file}")
    endforeach()
    list(REMOVE_DUPLICATES files)
    set(${variable} "${files}" PARENT_SCOPE)
endfunction()

# Puts `files` back to what the sdist holds; a file the sdist does not have is removed.
function(edgeslm_restore_files source sdist files)
    get_filename_component(root "${source}" NAME)
    foreach(file IN LISTS files)
        file(REMOVE "${source}/vendor/llama.cpp/${file}")
        # Restored files get the present time, not the archive's: the build must see that they changed.
        execute_process(
            COMMAND "${CMAKE_COMMAND}" -E tar xzf "${sdist}" --touch "${root}/vendor/llama.cpp/${file}"
            WORKING_DIRECTORY "${source}/.." OUTPUT_QUIET ERROR_QUIET)
    endforeach()
endfunction()

# Applies one patch with git, or stops and says what to do.
function(edgeslm_apply_patch patch tree)
    find_program(EDGESLM_GIT git)
    if(NOT EDGESLM_GIT)
        message(FATAL_ERROR "git is needed to apply ${patch}; install git and build again.")
    endif()
    # Below another work tree `git apply` can exit 0 having changed nothing; the ceiling hides that tree from it.
    get_filename_component(ceiling "${tree}" DIRECTORY)
    execute_process(
        COMMAND "${CMAKE_COMMAND}" -E env "GIT_CEILING_DIRECTORIES=${ceiling}" "GIT_DIR=${tree}/.no-git"
                "${EDGESLM_GIT}" apply --whitespace=nowarn "${patch}"
        WORKING_DIRECTORY "${tree}" RESULT_VARIABLE failed ERROR_VARIABLE reason)
    if(failed)
        message(FATAL_ERROR
            "patch does not apply: ${patch}\n${reason}\n"
            "The pin (runtime/native/pin.toml) and the patches must move together: rebase this patch on the pinned "
            "source as runtime/native/patches/README.md tells, or put the old pin back.")
    endif()
endfunction()

function(edgeslm_apply_patches folder source sdist)
    set(record "${source}.patches")
    edgeslm_hash_patches("${folder}" wanted)
    file(GLOB patches "${folder}/*.patch")
    list(SORT patches)
    set(files "")
    foreach(patch IN LISTS patches)
        edgeslm_list_patched_files("${patch}" touched)
        list(APPEND files ${touched})
    endforeach()
    set(applied "none")
    set(old_files "")
    if(EXISTS "${record}")
        file(STRINGS "${record}" old_files)
        list(POP_FRONT old_files applied)
    endif()
    if(applied STREQUAL wanted)
        return()
    endif()
    message(STATUS "applying the patches of ${folder}")
    list(APPEND old_files ${files})
    list(REMOVE_DUPLICATES old_files)
    # The record first says "unfinished": a run that dies half way starts again from the sdist's files.
    string(REPLACE ";" "\n" lines "unfinished;${old_files}")
    file(WRITE "${record}" "${lines}\n")
    edgeslm_restore_files("${source}" "${sdist}" "${old_files}")
    foreach(patch IN LISTS patches)
        edgeslm_apply_patch("${patch}" "${source}/vendor/llama.cpp")
    endforeach()
    list(REMOVE_DUPLICATES files)
    string(REPLACE ";" "\n" lines "${wanted};${files}")
    file(WRITE "${record}" "${lines}\n")
endfunction()
